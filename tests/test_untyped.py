"""Arguments of a wrong type: outside the tests nothing checks annotations, the library must."""

import subprocess
import sys

import pytest

CASES = {
    "graph is a list": ("tk.to_layers([1, 2])", "given list"),
    "graph is undirected": ("tk.structure(nx.Graph([(0, 1)]))", "given Graph"),
    "graph is None": ("tk.degrees_of_freedom(None)", "given NoneType"),
    "dag is undirected": ("tk.layered(nx.Graph([(0, 1)]))", "given Graph"),
    "mask is a vector": ("tk.from_masks([np.ones(3)])", "must be a matrix"),
    "mask is text": ("tk.from_masks(['abc'])", "must be a matrix"),
    "a weight has a number for a name": ("tk.from_weights({0: np.eye(2)})", "given the name 0"),
    "a model is an object": ("tk.from_weights(object())", "object; give its arrays by name"),
    **{
        f"a side of {model} is {wrong}": (
            f"tk.networks.{model}((1, {wrong}, 8), key=jax.random.key(0))",
            f"shape[1] must be an integer of at least 1; given {said}",
        )
        for model in ("lenet_300_100", "lenet5", "mobilenet_v1")
        for wrong, said in (
            ("2.5", "2.5"),
            ("float('nan')", "nan"),
            ("'8'", "'8'"),
            ("None", "None"),
            ("True", "True"),
        )
    },
    "classes are a list": (
        "tk.networks.mlp((np.int8(8), np.int8(8)), [np.int8(3)], [2], key=jax.random.key(0))",
        "n_classes must be an integer of at least 1; given [2]",
    ),
    "what is pruned is a number": ("tk.from_weights(3)", "weights must be a list"),
    "a turn is text": ("tk.from_weights([np.eye(2)], transpose='yes')", "transpose must be True"),
    "an order is a number": ("tk.from_weights([np.eye(2)], order=3)", "order must be 'given'"),
    "width is a fraction": ("tk.make_layers([2.5, 2], [[0]], [[0]])", "widths[0] must be"),
    "depth is a fraction": ("tk.topologies.butterfly(8, 2.5)", "depth must be an integer"),
    "n is text": ("tk.topologies.butterfly('8')", "n must be an integer"),
    "n is true": ("tk.topologies.hypercube(True, 1)", "n must be an integer"),
    "a budget is a fraction": (
        "tk.design(8, 8, trainable=20.5)",
        "trainable must be an integer from",
    ),
    "what is timed is a graph": (
        "tk.networks.speed(tk.topologies.dense(2, 2))",
        "layer must be a SparseLinear; given a DiGraph",
    ),
    "a form is a share": (
        "tk.networks.decompose(MODEL, .9)",
        "form must be one such as topokit.networks.pca(0.95), or a dict from names of layers to",
    ),
    "a form of a layer is a share": (
        "tk.networks.decompose(MODEL, {'layers.1': .9})",
        "form must be one such as topokit.networks.pca(0.95), or a dict from names of layers to",
    ),
    "a rank is a fraction": ("tk.networks.pca(rank=2.5)", "rank must be an integer of at least 1"),
    "ranks are a number": ("tk.networks.tucker2(ranks=2)", "ranks must be a list of integers"),
    "a rank is 0": ("tk.networks.separable(rank=0)", "rank must be an integer of at least 1"),
    "groups do not divide filters": (
        "tk.networks.theoretical_speedup(10, 10, 1, groups=3)",
        "groups must divide the 10 filters; given 3",
    ),
    "a rank is above all ranks": (
        "tk.networks.theoretical_speedup(10, 20, 50)",
        "rank must be an integer of at most 10; given 50",
    ),
    "a share of squares is text": (
        "tk.networks.svd('1')",
        "share must be a number in (0, 1]; given '1'",
    ),
    "what is a topology is a model": (
        "tk.networks.to_topology(MODEL)",
        "a layer must be a SparseLinear or SparseConv2d, an equinox.nn.Linear or Conv2d, or one ",
    ),
    **{
        f"a comprehension found no layer for {what}": (made, f"given none of the model's {named}")
        for what, made, named in (
            ("groups", "tk.networks.filter_groups([])(MODEL)", "['layers.1', 'layers.3']"),
            (
                "a force",
                "tk.networks.force(.1, layers=[]).init(MODEL)",
                "['layers.1.weight', 'layers.3.weight']",
            ),
            ("a force by factors", "tk.networks.force(.1, layers={}).init(MODEL)", "['layers.1.w"),
            ("forms", "tk.networks.decompose(MODEL, {})", "['layers.1', 'layers.3']"),
        )
    },
    **{
        f"a learning rate of a penalty is {wrong}": (
            f"tk.networks.group_lasso(MODEL, .1, learning_rate={wrong})",
            f"learning_rate must be a number in [0, inf); given {said}",
        )
        for wrong, said in (
            ("'a'", "'a'"),
            ("None", "None"),
            ("-1", "-1"),
            ("float('nan')", "nan"),
        )
    },
    "a first learning rate of a penalty is below 0": (
        "tk.networks.group_lasso(MODEL, .1, learning_rate=lambda step: -1.)",
        "learning_rate(0) must be a number in [0, inf); given -1.0",
    ),
    "a strength is a function of nothing": (
        "tk.networks.force(lambda: 1.)",
        "strength must be a number of at least 0, or a function of the number of updates before",
    ),
    "a force is text": ("tk.networks.force('1')", "strength must be a number in [0"),
    "a pull is text": (
        "tk.networks.force(.1, pull='l2')",
        "pull must be a function of filters, such as topokit.networks.l2_force; given 'l2'",
    ),
    **{
        f"a pull returns {what}": (
            f"stepped(tk.networks.force(.1, pull=lambda filters: {made}), MODEL)",
            f"of filters (2, 2) it must return as many; it returns {said}",
        )
        for what, made, said in (
            ("one filter", "filters[0]", "float32[2]"),
            ("nothing", "None", "None"),
        )
    },
    "a force is adaptive by a word": (
        "tk.networks.force(.1, adaptive='no')",
        "adaptive must be True or False; given 'no'",
    ),
    **{
        f"filters of a force are {what}": (
            f"tk.networks.{pull}_force({made})",
            f"filters must be an array of real numbers with 2 axes, as jax.numpy.asarray makes of "
            f"a list; given {said}",
        )
        for pull, what, made, said in (
            ("l2", "lists", "[[1., 2.]]", "((1, 2))"),
            ("l1", "a vector", "np.ones(3)", "float64[3]"),
            ("l2", "truth values", "np.eye(2) > 0", "bool[2,2]"),
        )
    },
    "layers under a force are lists": (
        "tk.networks.force(.1, layers=[['layers.1']])",
        "layers must be a list of names, as kernels lists them; given [['layers.1']]",
    ),
    "layers of groups are a number": (
        "tk.networks.filter_groups(5)",
        "layers must be a list of names, or None for all; given 5",
    ),
    "biases are in groups by a word": (
        "tk.networks.filter_groups(bias='no')",
        "bias must be True or False; given a str",
    ),
    "a family of groups is there twice": (
        "tk.networks.group_lasso(MODEL, .1, learning_rate=.1, "
        "groups=[tk.networks.filter_groups()] * 2)",
        "groups must hold each family once: two have the filters of .layers[1].weight",
    ),
    "a family of groups has a layer of another": (
        "tk.networks.group_lasso_gradient(MODEL, .1, groups=["
        "tk.networks.filter_groups(), tk.networks.filter_groups(['layers.3'], scale=2.)])",
        "groups must hold each family once: two have the filters of .layers[3].weight",
    ),
    **{
        f"{name} is made of another model": (
            f"stepped(tk.networks.{name}(MODEL, .1{rate}), WIDE)",
            f"{name} was made of a model with weights of the shape (2, 2) at .layers[1].weight; "
            "given float32[3,2] there",
        )
        for name, rate in (("group_lasso", ", learning_rate=.1"), ("group_lasso_gradient", ""))
    },
    **{
        f"{option} of ternary gradients is {wrong}": (
            f"tk.devices.terngrad({option}={wrong})",
            f"{option} must be {said}",
        )
        for option, wrong, said in (
            ("whole", "None", "a list of paths of arrays; given None"),
            ("whole", "5", "a list of paths of arrays; given 5"),
            ("whole", "[5]", "a list of paths of arrays; given [5]"),
            ("share", "'no'", "True or False; given 'no'"),
            ("together", "None", "True or False; given None"),
            ("axis", "None", "the name of an axis of a mesh, such as 'workers'; given a NoneType"),
        )
    },
    "a text builds candidates": (
        "tk.networks.choose({'a': lambda n_in, n_out: None, 'b': lambda n_in, n_out: None}, BOTH, "
        "build='mlp')",
        "build must be a function that makes the model from the keyword key",
    ),
    **{
        f"axis of {rule} is a number": (
            f"tk.devices.{rule}(axis=5)",
            "axis must be the name of an axis of a mesh, such as 'workers'; given a int",
        )
        for rule in ("averaged", "averaged_bfloat16", "averaged_int8")
    },
    "what is made ternary is a list": (
        "tk.devices.ternarize([1., 2.], jax.random.key(0))",
        "gradient must be an array of real numbers, as jax.numpy.asarray makes of a list; given (1",
    ),
    "a key of ternary gradients is a number": (
        "tk.devices.ternarize(np.ones(2), 5)",
        "key must be a JAX random key, such as jax.random.key(0); given 5",
    ),
    "layers under a force are a number": (
        "tk.networks.force(.1, layers=3)",
        "layers must be a list of names, as kernels lists them; given 3",
    ),
    "what is made dense is a model": (
        "tk.networks.to_dense(MODEL)",
        "linear must be a SparseLinear; given a ",
    ),
    "first weights are a name": (
        "tk.networks.SparseLinear(ONE['d'], key=jax.random.key(0), init='kaiming')",
        "init must be a function of a recipe, such as topokit.networks.kaiming; given 'kaiming'",
    ),
    "a rule is a share": (
        "tk.networks.sparsify(MODEL, .25, key=jax.random.key(0))",
        "wiring must be a rule, such as topokit.networks.clos_with(0.25), or a dict",
    ),
    "a model holds no array": (
        "tk.networks.sparsify({'a': 1}, tk.networks.dense(), key=jax.random.key(0))",
        "model must hold arrays, as a model of Equinox does; there is none in the dict",
    ),
    "a model is a number": ("tk.networks.kernels(3)", "there is none in the int"),
    "a model is text": ("tk.networks.n_parameters('a')", "there is none in the str"),
    "what is made smaller is no sequence": (
        "tk.networks.shrink(tk.networks)",
        "must be an equinox.nn.Sequential",
    ),
    "a share is text": ("tk.design(8, 8, share='x')", "share must be a number"),
    "shape is a number": ("tk.topologies.torus(32, 2)", "shape"),
    "widths is a number": ("tk.topologies.random_regular(4, 2, seed=0)", "widths must be a list"),
    "radices is a number": ("tk.topologies.radix_net(5)", "must be a list"),
    "radices is flat": ("tk.topologies.radix_net([2, 2])", "must be a list"),
    "density is text": ("tk.topologies.erdos_renyi([4, 4], 'x', seed=0)", "density must be"),
    "seed is missing": ("tk.with_skip(tk.topologies.dense(2, 2), placement='random')", "seed"),
    "targets are text": ("tk.reconstruct(tk.topologies.dense(1, 1), [['a']])", "real numbers"),
    "targets are complex": ("tk.reconstruct(tk.topologies.dense(1, 1), [[1j]])", "real numbers"),
    "callback of a descent is a number": (
        "tk.controllability(tk.topologies.dense(2, 2), callback=3)",
        "callback must be a function of two numbers of steps",
    ),
    "key is text": ("tk.controllability(tk.topologies.dense(2, 2), key='x')", "key must be"),
    "solver is text": ("tk.reconstruct(tk.topologies.dense(1, 1), [[1.]], solver='a')", "solver"),
    "solver is a class": (
        "tk.reconstruct(tk.topologies.dense(1, 1), [[1.]], solver=tk.reconstruction.Adam)",
        "solver",
    ),
    "loss is text": ("tk.reconstruct(tk.topologies.dense(1, 1), [[1.]], loss='mse')", "loss must"),
    "rows of a page are text": ("tk.report.write_report('p', 'ab', {}, maps={})", "given 'a'"),
    "results of a page are text": ("tk.report.write_sweep_report('p', 'ab')", "given 'a'"),
    "training is a list": ("tk.report.write_training_report('p', [1])", "training must hold"),
    "ranking of a list": ("tk.rank([tk.topologies.dense(1, 1)])", "must be a dict"),
    "ranking of None": ("tk.rank({'a': None})", "topology 'a'"),
    "budget is text": (
        "tk.ranking.default_topologies('x')",
        "to 2048, two dense layers; given 'x'",
    ),
    "budget is a fraction": (
        "tk.ranking.default_topologies(640.5)",
        "to 2048, two dense layers; given 640.5",
    ),
    "budget is not a number": (
        "tk.ranking.default_topologies(float('nan'))",
        "to 2048, two dense layers; given nan",
    ),
    "budget is true": (
        "tk.ranking.default_topologies(True)",
        "to 2048, two dense layers; given True",
    ),
    "inputs of the default set are text": ("tk.ranking.default_topologies(n='x')", "n must be"),
    "a name is a number": ("tk.rank({1: ONE['d']})", "name of a topology must be text; given 1"),
    "a name is bytes": ("tk.rank({b'a': 3})", "name of a topology must be text; given b'a'"),
    "a name is None": ("tk.rank({None: 3})", "name of a topology must be text; given None"),
    "names of maps are alike": (
        "tk.ranking.write_maps({1: tk.ranking.Maps(None, None, None)}, 'p')",
        "name of a topology must be a text; given 1",
    ),
    "maps are a number": (
        "tk.ranking.write_maps({'a': 3}, 'p')",
        "maps of 'a' must be Maps; given 3",
    ),
    "maps to write are a number": ("tk.ranking.write_maps(3, 'p')", "maps must be a dict"),
    "a map is of texts": (
        "tk.ranking.write_maps({'a': tk.ranking.Maps(np.full((1, 2), 'x'), None, None)}, 'p')",
        "control of 'a' must be an array of numbers, (n_in, n_out)",
    ),
    "maps differ in shape": (
        "tk.ranking.write_maps({'a': tk.ranking.Maps(np.ones((1, 2)), None, np.eye(2))}, 'p')",
        "maps of 'a' must be of one shape",
    ),
    "executor is a number": ("tk.rank(ONE, executor=4)", "process_pool(4)"),
    "callback is a number": ("tk.rank(ONE, callback=3)", "callback must be a function of a row"),
    "otherwise is a number": (
        "tk.networks.clos_with(0.1, otherwise=3)",
        "otherwise must be a rule",
    ),
    "data of a training are a pair": (
        "tk.networks.train(MODEL, (1, 2), optimizer=optax.sgd(1.))",
        "data must be a Dataset, as make_dataset makes of arrays; given (1, 2)",
    ),
    "candidates are names": (
        "tk.networks.choose(['a', 'b'], BOTH)",
        "candidates must be a dict from names to rules, topologies, models",
    ),
    "a candidate is a number": (
        "tk.networks.choose({'a': MODEL, 'b': 3}, BOTH)",
        "candidate 'b': candidates must be a dict from names to rules",
    ),
    "data to choose by are text": (
        "tk.networks.choose({'a': MODEL, 'b': MODEL}, 'mnist')",
        "data must be a Dataset, as make_dataset makes of arrays; given a str",
    ),
    "a budget of steps is text": (
        "tk.networks.choose({'a': MODEL, 'b': MODEL}, BOTH, budget='all', batch_size=1)",
        "budget must be a number in (0, 1]; given 'all'",
    ),
    "what chooses is no executor": (
        "tk.networks.choose({'a': MODEL, 'b': MODEL}, BOTH, budget=6, batch_size=1, keep=1, "
        "executor=3)",
        "executor must be a concurrent.futures.Executor",
    ),
    "what chooses goes into a number": (
        "tk.networks.choose({'a': MODEL, 'b': MODEL}, BOTH, budget=6, batch_size=1, keep=1, "
        "store=3)",
        "store must be the path of a file; given 3",
    ),
    "settings of a choice are a list": (
        "tk.networks.choose({'a': MODEL, 'b': MODEL}, BOTH, batch_size=1, keep=1, budget=6, "
        "settings=[1], store='s')",
        "settings must be a dict of plain values",
    ),
    "data of a training are text": (
        "tk.networks.train(MODEL, 'mnist', optimizer=optax.sgd(1.))",
        "data must be a Dataset, as make_dataset makes of arrays; given 'mnist'",
    ),
    "devices of a training are a number": (
        "tk.networks.train(MODEL, DATA, optimizer=optax.sgd(1.), batch_size=1, devices=3)",
        "devices must be a list of them",
    ),
    "reduction of a training is text": (
        "tk.networks.train(MODEL, DATA, optimizer=optax.sgd(1.), batch_size=1, "
        "devices=jax.devices(), reduction='ternary')",
        "reduction must be one such as topokit.devices.averaged()",
    ),
    **{
        f"reduction of a training is {wrong}, which reduces nothing": (
            "tk.networks.train(MODEL, DATA, optimizer=optax.sgd(1.), batch_size=1, "
            f"devices=jax.devices(), reduction=optax.{wrong})",
            "after which gradients are the same on all devices, a topokit.devices.Reduction",
        )
        for wrong in ("identity()", "sgd(.1)", "chain(tk.devices.averaged())")
    },
    "callback of a training is a number": (
        "tk.networks.train(MODEL, DATA, optimizer=optax.sgd(1.), batch_size=1, callback=3)",
        "callback must be a function of a row, the model",
    ),
    "checkpoint is a number": (
        "tk.networks.train(MODEL, DATA, optimizer=optax.sgd(1.), batch_size=1, checkpoint=5)",
        "checkpoint must be the path of a file; given 5",
    ),
    "settings of a training are a number": (
        "tk.networks.train(MODEL, DATA, optimizer=optax.sgd(1.), batch_size=1, settings=3)",
        "settings must be a dict of plain values; given 3",
    ),
    "seed of a training is huge": (
        "tk.networks.train(MODEL, DATA, optimizer=optax.sgd(1.), batch_size=1, seed=2**70)",
        "seed must be an integer of at most",
    ),
    "examples of a data set are lists": (
        "dataclasses.replace(DATA, train_x=[[1.0]])",
        "train_x and train_y must be arrays",
    ),
    "examples of a data set are doubles": (
        "dataclasses.replace(DATA, test_x=np.eye(2))",
        "test_x and test_y must be arrays, in single precision",
    ),
    "labels of a data set are too few": (
        "dataclasses.replace(DATA, train_y=DATA.train_y[:1])",
        "train_y must have a label for each of the 2 examples of train_x; given 1",
    ),
    "examples of a data set differ in shape": (
        "dataclasses.replace(DATA, test_x=DATA.test_x[:, :1])",
        "test_x must hold examples of the shape of train_x, (2,); given (1,)",
    ),
    "labels of a data set are floats": (
        "dataclasses.replace(DATA, test_y=DATA.test_y * 1.0)",
        "test_y must be integers",
    ),
    "optimizer is text": (
        "tk.networks.train(MODEL, DATA, optimizer='adam')",
        "optimizer must be one of optax, such as optax.adam(1e-3); given 'adam'",
    ),
    "optimizer is a function": (
        "tk.networks.train(MODEL, DATA, optimizer=optax.adam)",
        "optimizer must be one of optax, such as",
    ),
    "settings are text": (
        "tk.networks.train(MODEL, DATA, optimizer=optax.sgd(1.), batch_size=1, "
        "checkpoint='x', settings='adam')",
        "settings must be a dict of plain values",
    ),
    "settings are pairs": (
        "tk.networks.train(MODEL, DATA, optimizer=optax.sgd(1.), batch_size=1, "
        "checkpoint='x', settings=[1])",
        "settings must be a dict of plain values",
    ),
    "a learning rate is text": (
        "tk.networks.train_from_seed(tk.networks.mlp, DATA, tk.networks.dense(), seed=0, epochs=1, "
        "batch_size=1, learning_rate='fast')",
        "learning_rate must be a number in (0, inf); given 'fast'",
    ),
    "validation is None": (
        "tk.networks.make_dataset(*ARRAYS, validation=None)",
        "validation must be a share of the training examples in [0, 1), or examples with their",
    ),
    "validation is text": (
        "tk.networks.make_dataset(*ARRAYS, validation='some')",
        "or examples with their labels, (x, y); given 'some'",
    ),
    "validation is a triple": (
        "tk.networks.make_dataset(*ARRAYS, validation=(1, 2, 3))",
        "or examples with their labels, (x, y); given (1, 2, 3)",
    ),
    "control is a matrix": (
        "tk.score(ONE['d'], control=np.eye(1))",
        "control must be what controllability(topology) returns; given float64[1,1]",
    ),
    "control is a number": (
        "tk.score(ONE['d'], control=1.)",
        "control must be what controllability(topology) returns; given 1",
    ),
    "a product of None": ("tk.products.compile_product(None)", "given NoneType"),
    "a batch is a fraction": (
        "tk.products.compile_product(ONE['d'], batch=1.5)",
        "batch must be an integer",
    ),
    "store is a number": ("tk.rank(ONE, store=4)", "store must be the path of a file; given 4"),
    "seeds are text": ("tk.ranking.sweep({}, seeds='12')", "a list of integers; given '12'"),
    "seeds are None": ("tk.ranking.sweep({}, seeds=None)", "a list of integers; given None"),
    "loss of a sweep is text": ("tk.ranking.sweep(ONE, loss='l2')", "loss must be the cost of one"),
    "targets of a sweep are text": (
        "tk.ranking.sweep(ONE, targets='12')",
        "targets must be an integer, how many matrices to draw, or",
    ),
    "targets of a sweep are a wrong list": (
        "tk.ranking.sweep(ONE, targets=[[1., 2.]])",
        "topology 'd': targets must have shape (1, 1) or (n_targets, 1, 1) to fit the topology; "
        "given (1, 2)",
    ),
    "targets of a ranking are matrices": ("tk.rank(ONE, targets=np.eye(3))", "given shape (3, 3)"),
    "targets are a wrong list": (
        "tk.reconstruct(ONE['d'], [[1., 2.]])",
        "targets must have shape (1, 1) or (n_targets, 1, 1) to fit the topology; given (1, 2)",
    ),
    "targets are ragged": ("tk.reconstruct(ONE['d'], [[1.], [1., 2.]])", "given rows of different"),
    "targets are a number": ("tk.reconstruct(ONE['d'], 3)", "to fit the topology; given 3"),
    "a cascade of None": ("tk.cascade(None)", "topologies must be a list of graphs or recipes"),
    "a cascade of a graph": ("tk.cascade(ONE['d'])", "recipes; given DiGraph"),
    "a cascade of a recipe": ("tk.cascade(tk.to_layers(ONE['d']))", "recipes; given Layers"),
    "a sum of a generator": ("tk.parallel(g for g in ONE)", "recipes; given generator"),
    "inputs to drop are a number": ("tk.trim(ONE['d'], drop_inputs=3)", "must be a list of integ"),
    "inputs to drop are lists": ("tk.trim(ONE['d'], drop_inputs=[[0]])", "drop_inputs[0] must be"),
    "solver of a sweep is a class": (
        "tk.ranking.sweep(ONE, solver=tk.reconstruction.Adam)",
        "solver must be an object",
    ),
    "senders are floats": ("tk.make_layers([1, 1], [np.array([.5])], [np.array([0])])", "integers"),
    "trainable is text": (
        "tk.make_layers([1, 1], [np.array([0])], [np.array([0])], trainable=[np.array(['a'])])",
        "trainable must be an array of booleans",
    ),
    "trainable holds numbers": ("tk.from_masks([np.eye(2)], [np.eye(2)])", "must hold booleans"),
    "method is unknown": ("tk.controllability(tk.topologies.dense(2, 2), method='x')", "method"),
    "method is an array": (
        "tk.controllability(tk.topologies.dense(2, 2), method=np.array([1, 2]))",
        "method must be",
    ),
    "weights are a number": ("tk.scores.log_synflow(tk.topologies.dense(2, 2), 3)", "weights must"),
    "weights are numbers": (
        "tk.scores.log_synflow(tk.topologies.dense(2, 2), [1])",
        "weights must",
    ),
    "weights are complex": (
        "tk.scores.log_synflow(tk.topologies.dense(1, 1), [np.array([1j])])",
        "weights must be real numbers",
    ),
    "descend is text": ("tk.diagnose(tk.topologies.dense(2, 2), descend='no')", "descend must be"),
    **{
        f"{call} has a text for {flag}": (
            f"tk.{call}({given}, {flag}='no')",
            f"{flag} must be True or False; given 'no'",
        )
        for call, given, flag in (
            ("networks.kernel_regression", "MODEL, np.eye(2), [0, 1]", "full"),
            ("networks.tangent_kernel", "MODEL, np.eye(2)", "full"),
            ("networks.force", "0.1", "adaptive"),
            ("networks.designed", "0.5", "skip"),
            ("networks.read_mnist", "'mnist'", "verify"),
            ("networks.read_cifar10", "'cifar'", "verify"),
            ("devices.terngrad", "clip=None", "share"),
            ("devices.terngrad", "clip=None", "together"),
        )
    },
    **{
        f"a seed of {call} is one of 33 bits": (
            f"tk.{call}({given}, {name}=2**32)",
            f"{told} must be an integer of at most 4294967295; given 4294967296",
        )
        for call, given, name, told in (
            ("networks.kernel_regression", "MODEL, np.eye(2), [0, 1]", "seed", "seed"),
            ("networks.batch_scores", "MODEL, np.eye(2)", "seed", "seed"),
            ("networks.ntk_sap", "MODEL, np.eye(2)", "seed", "seed"),
            (
                "networks.train",
                "MODEL, DATA, optimizer=optax.sgd(1.), batch_size=1",
                "seed",
                "seed",
            ),
            (
                "networks.train_steps",
                "MODEL, BOTH, optimizer=optax.sgd(1.), batch_size=1, steps=1",
                "seed",
                "seed",
            ),
            (
                "networks.train_from_seed",
                "BUILD, DATA, {}, epochs=1, batch_size=1, learning_rate=1.",
                "seed",
                "seed",
            ),
            ("networks.designed", "0.5", "seed", "seed"),
            ("design", "8, 8, share=0.5", "seed", "seed"),
            ("rank", "ONE", "seed", "seed"),
            ("ranking.sweep", "ONE, targets=1", "seeds", "seeds"),
            ("reconstruct", "ONE['d'], [[1.]]", "key", "key"),
            ("controllability", "ONE['d']", "key", "key"),
            ("devices.terngrad", "clip=None", "seed", "seed"),
        )
    },
    "the last seed of some draws is one of 33 bits": (
        "tk.networks.kernel_regression(BUILD, np.eye(2), [0, 1], seed=2**32 - 1, draws=2)",
        "seed must be an integer of at most 4294967294; given 4294967295",
    ),
    **{
        f"{call} has no labels": (
            f"tk.networks.{call}(MODEL, np.eye(2), None)",
            "y must be labels, integers from 0, or floats, a row for each example; given None",
        )
        for call in ("kernel_regression", "grasp")
    },
    **{
        f"{call} of ragged {name}": (
            f"tk.networks.{call}({given})",
            f"{name} must be an array, whose rows have one shape; given",
        )
        for call, given, name in (
            ("kernel_regression", "MODEL, RAGGED, [0, 1]", "x"),
            ("tangent_kernel", "MODEL, RAGGED", "x"),
            ("kernel_regression", "MODEL, np.zeros((8, 2)), RAGGED", "y"),
            ("make_dataset", "RAGGED, [0, 1], np.eye(2), [0, 1]", "train_x"),
            ("make_dataset", "np.eye(2), [0, 1], np.eye(2), RAGGED", "test_y"),
        )
    },
    **{
        f"{call} of {wrong}": (f"tk.networks.{call}({wrong})", "kernel must be a symmetric matrix")
        for call in ("effective_rank", "condition_number")
        for wrong in ("None", "3.0", "[[1.0, 0.0], [0.0, 1.0]]", "'x'", "scipy.sparse.eye(3)")
    },
    **{
        f"training goes on from {wrong}": (
            "tk.networks.train_steps(MODEL, BOTH, optimizer=optax.sgd(1.), batch_size=1, steps=1, "
            f"since={wrong})",
            "since must be an earlier result of train_steps; given a ",
        )
        for wrong in ("'x'", "5", "MODEL")
    },
    "settings of a choice without a store are a list": (
        "tk.networks.choose({'a': MODEL, 'b': MODEL}, BOTH, batch_size=1, keep=1, budget=6, "
        "settings=[1])",
        "settings must be a dict of plain values; given (1)",
    ),
    "settings of a choice are an empty list": (
        "tk.networks.choose({'a': MODEL, 'b': MODEL}, BOTH, batch_size=1, keep=1, budget=6, "
        "settings=[])",
        "settings must be a dict of plain values; given ()",
    ),
    "settings of a seeded training are a list": (
        "tk.networks.train_from_seed(BUILD, DATA, {}, seed=0, epochs=1, batch_size=1, "
        "learning_rate=1., settings=[1])",
        "settings must be a dict of plain values; given (1)",
    ),
    "fairness is negative": (
        "tk.controllability(tk.topologies.dense(2, 2), fairness=-1)",
        "fairness",
    ),
}

SCRIPT = """
import dataclasses, functools, equinox as eqx, jax, networkx as nx, numpy as np, optax
import scipy.sparse, topokit as tk
ONE = {{'d': tk.topologies.dense(1, 1)}}
ARRAYS = np.eye(2), np.array([0, 1]), np.eye(2), np.array([0, 1])
DATA = tk.networks.make_dataset(*ARRAYS, validation=0)
BOTH = tk.networks.make_dataset(*ARRAYS, validation=ARRAYS[:2])
BUILD = functools.partial(tk.networks.mlp, (2,), [2], 2)
MODEL = BUILD(key=jax.random.key(0))
RAGGED = [[1.], [1., 2.]]
WIDE = tk.networks.mlp((2,), [3], 2, key=jax.random.key(0))
def stepped(rule, model):
    weights = eqx.filter(model, eqx.is_inexact_array)
    return rule.update(weights, rule.init(weights), weights)
for case in {cases!r}:
    try:
        eval(case)
    except ValueError as error:
        print(str(error).replace(chr(10), ' '))
    except Exception as error:
        print(type(error).__name__, error)
    else:
        print('nothing was raised')
"""


@pytest.fixture(scope="module")
def messages() -> dict[str, str]:
    code = SCRIPT.format(cases=[case for case, _ in CASES.values()])
    lines = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return dict(zip(CASES, lines, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_type_is_one_value_error(name, messages):
    assert not messages[name].startswith(("TypeError", "AttributeError", "nothing"))
    assert CASES[name][1] in messages[name]


def test_numpy_arguments_are_named_and_kept_as_plain_numbers():
    code = (
        "import numpy as np, topokit as tk; G = tk.topologies.torus(np.array([4, 4]), np.int64(2))"
    )
    code += "; print(G.name, G.graph['parameters'])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "torus([4, 4], 2) {'shape': [4, 4], 'depth': 2}\n"


def test_nested_lists_are_matrices():
    code = """
import topokit as tk
one, two = tk.topologies.dense(1, 1), tk.reconstruction.HierarchicalSVD()
found = tk.reconstruct(one, [[[3.0]], [[4.0]]], solver=two).loss.tolist()
print(found, [row.loss for row in tk.ranking.sweep({'d': one}, targets=[[3.0]], solver=two)])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[0.0, 0.0] [0.0]\n"
