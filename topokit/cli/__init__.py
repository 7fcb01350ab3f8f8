"""The command line: `topokit list | build | score | diagnose | plot | rank | train | challenge`.

A verb and a topology. A topology is a family with its options, or a file; the options of a family
are the parameters of its builder, and their help is the builder's docstring.
"""

from topokit.cli._main import main as main
