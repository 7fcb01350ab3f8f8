"""The paper's descent (NeuroFabric section VI.C), in the marginal and in the pairwise form."""

from topokit.scores.control.descent._descent import descend as descend
from topokit.scores.control.descent._descent import lay_out as lay_out
from topokit.scores.control.descent._marginal import marginal as marginal
from topokit.scores.control.descent._pairwise import pairwise as pairwise
