"""What all analyses share, so that a script is its question, its claim, and what it measures.

A script describes a `Study`: its settings, in full and for a quick run; the cases; what is measured
of one; how the records of all become results; how these are drawn. The kit does the rest: options,
processes, a store for what is finished, progress, the table on the screen, the picture, and the
numbers beside it with their provenance.

    cases(setting) -> measure(case, setting) -> summarize(records, setting) -> draw(figure, results)

Constants in capitals are settings: they are kept with the numbers, and a test fails where they have
changed since. Names that begin with QUICK are those of the quick run, and STYLE those of pictures.
"""

from analyses.kit._clock import Clock as Clock
from analyses.kit._clock import apart as apart
from analyses.kit._clock import exponent as exponent
from analyses.kit._clock import n_cores as n_cores
from analyses.kit._clock import peak_bytes as peak_bytes
from analyses.kit._clock import quartiles as quartiles
from analyses.kit._clock import race as race
from analyses.kit._clock import timed as timed
from analyses.kit._numbers import estimate as estimate
from analyses.kit._numbers import mean as mean
from analyses.kit._numbers import rank_correlation as rank_correlation
from analyses.kit._numbers import rounded as rounded
from analyses.kit._numbers import significant as significant
from analyses.kit._numbers import standard_error as standard_error
from analyses.kit._numbers import verdict as verdict
from analyses.kit._pictures import COLORS as COLORS
from analyses.kit._pictures import Look as Look
from analyses.kit._pictures import points as points
from analyses.kit._pictures import written_out as written_out
from analyses.kit._provenance import settings as settings
from analyses.kit._study import Study as Study
from analyses.kit._tables import show as show
