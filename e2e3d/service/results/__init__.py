"""What jobs made: listed, downloaded, shared by signed addresses."""
