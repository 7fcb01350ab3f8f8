"""Which topologies there are between layers of given sizes, at a budget of trainable edges.

`members` counts every member of a family before one is built: depths, widths inside, fan-ins,
routers, radices and copies. `usual` keeps those by which a family is known, and of any of them
`nearest` is the one whose size is closest to a budget, and `why_far` says where that is not close.
"""

from topokit.designs._members import Member as Member
from topokit.designs._members import members as members
from topokit.designs._members import nearest as nearest
from topokit.designs._members import why_far as why_far
from topokit.designs._usual import usual as usual
