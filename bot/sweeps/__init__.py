"""Timed looks at the whole world. A sweep changes nothing itself: it puts keys into the work queue."""
