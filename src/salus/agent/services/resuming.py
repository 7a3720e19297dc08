"""What every command does first: complete what an earlier one left, in the order in which it could have been left."""

from __future__ import annotations

from salus.agent.home import Agent
from salus.agent.services.granting import resume_revocations
from salus.agent.services.posting import send_letters
from salus.agent.services.sealing import resume_jobs
from salus.agent.services.submitting import resume_submissions
from salus.agent.services.writing import resume_notes


def resume(agent: Agent) -> None:
    """Submissions as they were signed, then notes, batches, revocations, letters."""
    resume_submissions(agent)
    resume_notes(agent)
    resume_jobs(agent)
    resume_revocations(agent)
    send_letters(agent)
