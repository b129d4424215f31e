"""A run in the browser, every row of it: filtered by the server, a page of rows at a time."""
