"""The command line: `topokit list | build | score | diagnose | plot | rank | report | ...`.

A verb and a topology. A topology is a family with its options, or a file; the options of a family
are the parameters of its builder, and their help is the builder's docstring.

`_program` is what a shell starts; `_main` is the root and its one voice for errors; each command is
a file that calls the public functions of the package and prints what they return. What several
commands share: from words to a topology (`_topology_group`, `_family_options`,
`_topology_from_words`, `_topology_lists`), from results to the screen and to files (`_console`,
`_output_file`, `_ranking_files`, `_csv_files`), and from docstrings to help
(`topokit._docstrings`).
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
