"""How fast Salus is, each question as a ratio of two sides that take turns: ``python -m bench [--quick] [WORD ...]``."""
