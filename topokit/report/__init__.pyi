from ._ranking_report import write_report as write_report
from ._sweep_report import write_sweep_report as write_sweep_report
from ._training_report import write_training_report as write_training_report
