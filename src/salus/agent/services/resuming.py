"""What every command does first: complete what an earlier one left, in the order in which it could have been left."""

from __future__ import annotations

from salus.agent.home import Agent
from salus.agent.services.booked import resume_bookings
from salus.agent.services.copying import seal_due
from salus.agent.services.dispensing import resume_dispensing
from salus.agent.services.erasing import resume_erasures
from salus.agent.services.listing import resume_listings
from salus.agent.services.opening import resume_schedules
from salus.agent.services.ordering import resume_orders
from salus.agent.services.posting import resume_letters
from salus.agent.services.prescribed import resume_prescribed
from salus.agent.services.prescribing import resume_issues
from salus.agent.services.reception import resume_desk
from salus.agent.services.reconciling import resume_outage
from salus.agent.services.recovering import resume_recoveries
from salus.agent.services.releasing import resume_releases
from salus.agent.services.renewing import resume_grants
from salus.agent.services.reporting import resume_reports
from salus.agent.services.restoring import resume_people
from salus.agent.services.resulted import resume_results
from salus.agent.services.revoking import resume_revocations
from salus.agent.services.rotating import resume_rotations
from salus.agent.services.sealing import resume_jobs
from salus.agent.services.staffing import resume_dismissals
from salus.agent.services.submitting import resume_submissions
from salus.agent.services.waiting import may_wait
from salus.agent.services.writing import resume_notes

#: People who were taken in and submissions as they were signed first, letters last; in between what else may be left.
STEPS = (
    resume_people,
    resume_submissions,
    resume_recoveries,
    resume_issues,
    resume_outage,
    resume_dispensing,
    resume_bookings,
    resume_desk,
    resume_orders,
    resume_reports,
    resume_notes,
    resume_prescribed,
    resume_results,
    seal_due,
    resume_jobs,
    resume_rotations,
    resume_revocations,
    resume_erasures,
    resume_grants,
    resume_dismissals,
    resume_listings,
    resume_schedules,
    resume_releases,
    resume_letters,
)


def resume(agent: Agent) -> None:
    """Complete what was left; what a node does not take in now, or the network does not decide on, waits; the rest goes on."""
    for step in STEPS:
        with may_wait():
            step(agent)
