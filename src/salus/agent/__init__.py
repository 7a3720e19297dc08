"""The agent wing: keys of its principals and what they open. It never imports the node; it talks to a `Network`."""
