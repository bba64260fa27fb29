"""`python -m sslviz` is `sslviz`."""

from sslviz.cli.main import main

main()
