"""What a run leaves behind: a JSON document and a page."""
