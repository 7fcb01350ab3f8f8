from ._descent import descend as descend
from ._descent import lay_out as lay_out
from ._marginal import marginal as marginal
from ._pairwise import pairwise as pairwise
