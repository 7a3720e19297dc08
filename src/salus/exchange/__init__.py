"""What both wings speak: contact cards, mailbox envelopes, the shapes of the node's API."""
