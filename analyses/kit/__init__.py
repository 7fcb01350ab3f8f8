"""What all analyses share, so that a script is its question, its claim, and what it measures.

A script is a docstring, which is caption and claim; constants in capitals; and up to five functions
that the kit finds by their names:

    cases() -> measure(case) -> summarize({case: record}) -> show(results), draw(figure, results)

`STUDY` says how it runs, and which constants a quick run changes. The kit does the rest: options,
processes, a store for what is finished, progress, tables on the screen, the picture, and beside it
the numbers with their provenance.

Constants are settings: they are kept with the numbers, and a test fails where they have changed
since. Names that begin with STYLE are those of pictures, and with QUICK those of a quick run.
"""

from analyses.kit._browser import CHROMIUM as CHROMIUM
from analyses.kit._browser import Browser as Browser
from analyses.kit._browser import open_browser as open_browser
from analyses.kit._clock import Clock as Clock
from analyses.kit._clock import apart as apart
from analyses.kit._clock import busy as busy
from analyses.kit._clock import exponent as exponent
from analyses.kit._clock import n_cores as n_cores
from analyses.kit._clock import peak_bytes as peak_bytes
from analyses.kit._clock import quartiles as quartiles
from analyses.kit._clock import race as race
from analyses.kit._clock import timed as timed
from analyses.kit._numbers import accuracy_of as accuracy_of
from analyses.kit._numbers import estimate as estimate
from analyses.kit._numbers import mean as mean
from analyses.kit._numbers import nested as nested
from analyses.kit._numbers import over_seeds as over_seeds
from analyses.kit._numbers import rank_correlation as rank_correlation
from analyses.kit._numbers import rounded as rounded
from analyses.kit._numbers import significant as significant
from analyses.kit._numbers import standard_error as standard_error
from analyses.kit._numbers import verdict as verdict
from analyses.kit._pictures import COLORS as COLORS
from analyses.kit._pictures import Look as Look
from analyses.kit._pictures import errors as errors
from analyses.kit._pictures import points as points
from analyses.kit._pictures import written_out as written_out
from analyses.kit._provenance import settings as settings
from analyses.kit._sections import chosen_sections as chosen_sections
from analyses.kit._study import Study as Study
from analyses.kit._study import changed as changed
from analyses.kit._study import data_folder as data_folder
from analyses.kit._tables import show as show
