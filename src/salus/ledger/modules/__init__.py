"""One room a workflow: messages, state, handlers, queries."""
