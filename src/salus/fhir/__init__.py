"""FHIR R4: what others wrote is kept as written and flagged; what is authored in Salus is held to the standard. Pure."""
