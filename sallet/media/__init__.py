"""Every image enters here, and comes out as plain RGB pixels."""
