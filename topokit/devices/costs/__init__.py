"""What it costs to compute and to send, on paper: small models, held against real programs.

Every exchange of a network of devices is so many messages one after the other and so many bytes
(`_exchange`), also those of `topokit.devices`, for layers that are shared (`_placed_exchanges`) and
for gradients (`_reduced_gradients`), and takes time by the latency and bandwidth of a link. Work is
operations, memory and bytes moved (`_layer_work`), whose time is a roofline. Two machines of the
literature are an accelerator, sized by its bounds (`_accelerator`), and phones that share an image
(`_image_rows`).

Sizes are bytes, times are seconds, an operation is one multiplication or one addition.
"""

from topokit.devices.costs._accelerator import ElementBounds as ElementBounds
from topokit.devices.costs._accelerator import processing_elements as processing_elements
from topokit.devices.costs._exchange import Exchange as Exchange
from topokit.devices.costs._exchange import Link as Link
from topokit.devices.costs._exchange import all_gather as all_gather
from topokit.devices.costs._exchange import all_reduce as all_reduce
from topokit.devices.costs._exchange import pipelined as pipelined
from topokit.devices.costs._exchange import reduce_scatter as reduce_scatter
from topokit.devices.costs._exchange import send_time as send_time
from topokit.devices.costs._image_rows import Convolution as Convolution
from topokit.devices.costs._image_rows import RowShare as RowShare
from topokit.devices.costs._image_rows import cut_by_rows as cut_by_rows
from topokit.devices.costs._layer_work import LayerSizes as LayerSizes
from topokit.devices.costs._layer_work import Work as Work
from topokit.devices.costs._layer_work import layer_sizes as layer_sizes
from topokit.devices.costs._layer_work import roofline as roofline
from topokit.devices.costs._layer_work import work as work
from topokit.devices.costs._placed_exchanges import sent_by_butterfly as sent_by_butterfly
from topokit.devices.costs._placed_exchanges import sent_by_clos as sent_by_clos
from topokit.devices.costs._placed_exchanges import sent_by_dense as sent_by_dense
from topokit.devices.costs._placed_exchanges import sent_by_dense_blocks as sent_by_dense_blocks
from topokit.devices.costs._placed_exchanges import sent_by_low_rank as sent_by_low_rank
from topokit.devices.costs._reduced_gradients import sent_by_gradients as sent_by_gradients
