"""Salus: medical services without a centre, under the patient's control.

The packages stand on floors; arrows go down only (``tests/test_architecture.py`` and import-linter hold them)::

    cli | demo -> bootstrap -> agent -> fhir -> charts -> exchange -> warrants -> ledger -> crypto -> codec -> ids -> errors
                  bootstrap -> own_node -> node ---------> exchange -> warrants -> ledger -> ...
"""

__version__ = "0.1.0"
