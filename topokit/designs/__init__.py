"""Which topologies there are between layers of given sizes, and which to take at a budget.

`members` counts every member of a family before one is built: depths, widths inside, fan-ins,
routers, radices and copies. `usual` keeps those by which a family is known, and of any of them
`nearest` is the one whose size is closest to a budget, and `why_far` says where that is not close.

`design` (`_design`) takes the best: of each line of members the `greatest` within the budget, by
predicted loss, the least promising ones left out by bounds (`_search`, `_loss_bounds`). What it
finds are candidates (`_candidates`), which can be improved edge by edge (`_refine`) and rebuilt for
a check (`_rebuild`).
"""

from topokit.designs._candidates import Candidate as Candidate
from topokit.designs._candidates import Design as Design
from topokit.designs._design import design as design
from topokit.designs._members import Member as Member
from topokit.designs._members import greatest as greatest
from topokit.designs._members import members as members
from topokit.designs._members import nearest as nearest
from topokit.designs._members import why_far as why_far
from topokit.designs._usual import usual as usual

# What a user finds here; `design` stands at the front door, the rest is for other rooms.
__all__ = ["Candidate", "Design"]


def __dir__() -> list[str]:
    return __all__
