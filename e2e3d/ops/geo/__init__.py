"""Where on the Earth a scene is, which way is up, and how large it is."""
