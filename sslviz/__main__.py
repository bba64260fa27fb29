"""`python -m sslviz` is `sslviz`."""

from sslviz.cli import main

main()
