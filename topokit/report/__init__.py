"""The page: a ranking, a sweep or a training as one HTML file to click through.

A page is a record of what it says (`_page`), from which one file is made: a skeleton
(`page.html`), a style (`page.css`), a script (`page.js`), Bokeh's library, and data. What differs
between a ranking, a sweep and a training is which record they make (`_ranking_report`,
`_sweep_report`, `_training_report`). Topologies give it drawings, maps, words and the lines that
build them (`_page_parts`, `_in_short`); charts are Bokeh's (`_page_charts`); all text is made
visible, and numbers readable, in `_page_text`.

Needs the extra `report`; what is missing is told with the extra that brings it, on first use.
"""

from typing import Any

import lazy_loader as lazy

from topokit._extras import extras_named

_attribute, __dir__, __all__ = lazy.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    with extras_named():
        return _attribute(name)
