"""What streams: the textured mesh as 3D Tiles with levels of detail, the cloud as COPC."""
