"""What `Purify` runs: networks of diffusers, and the samplers that walk a picture with them."""
