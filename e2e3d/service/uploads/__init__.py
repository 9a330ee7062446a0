"""Bodies of any length: forms with many files, and the pieces of resumable uploads, in bounded memory."""
