"""One attack a file; the threat model is the object that an attack is handed."""
