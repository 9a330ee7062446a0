"""Where results live: the content-keyed artifact store."""
