"""What may be asked of the members: nothing yet. They stand in genesis; votes come with governance."""
