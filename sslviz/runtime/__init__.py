"""Machinery without a subject: files, progress, random state, threads, memory."""
