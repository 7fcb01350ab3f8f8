from ._primal_dual import begin as begin
from ._primal_dual import improve as improve
from ._primal_dual import make_problem as make_problem
