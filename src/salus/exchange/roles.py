"""What people are in the network, and what they do for an organisation: words that commands offer before any key is touched."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What somebody is in the network."""

    PATIENT = "patient"
    PHYSICIAN = "physician"
    NURSE = "nurse"
    PHARMACIST = "pharmacist"
    PARAMEDIC = "paramedic"
    LABORATORY = "laboratory"
    MEMBER = "member"
    ORGANISATION = "organisation"  # a practice on somebody else's node


class Duty(StrEnum):
    """What somebody does for the organisation."""

    PHYSICIAN = "physician"
    NURSE = "nurse"
    PHARMACIST = "pharmacist"
    TECHNICIAN = "technician"
    RECEPTION = "reception"
    LABORATORY = "laboratory"
