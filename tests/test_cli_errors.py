"""What the command line cannot do: one clear line, exit status 2."""

import json
import os
import re
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from shell import in_an_empty_folder as in_an_empty_folder
from shell import topokit

import topokit as tk

BAD_LISTS = {
    "empty": "",
    "broken": "[[topology]",
    "other": "[topology]\nfamily = 'butterfly'",
    "extra": "x = 1\n[[topology]]\nfamily = 'butterfly'\nn = 4",
    "neither": "[[topology]]\nn = 4",
    "both": "[[topology]]\nfamily = 'butterfly'\nfile = 'a.npz'",
    "typo": "[[topology]]\nfamily = 'buterfly'\nn = 4",
    "unknown": "[[topology]]\nfamily = 'butterfly'\nn = 4\ndeep = 3",
    "missing": "[[topology]]\nfamily = 'butterfly'",
    "word": "[[topology]]\nfamily = 'butterfly'\nn = 'four'",
    "number": "[[topology]]\nfamily = 'torus'\nshape = 8\ndepth = 2",
    "placement": "[[topology]]\nfamily = 'butterfly'\nn = 4\nskip = 'sideways'",
    "diagonal": "[[topology]]\nfamily = 'butterfly'\nn = 4\ndiagonal = 'yes'",
    "seed": "[[topology]]\nfamily = 'butterfly'\nn = 4\nskip = 'random'\nseed = -1",
    "name": "[[topology]]\nfamily = 'butterfly'\nn = 4\nname = 7",
    "control": "[[topology]]\nfamily = 'butterfly'\nn = 4\nname = \"\\u001b[2J\"",
    "unnamed": "[[topology]]\nfamily = 'butterfly'\nn = 4\nname = ''",
    "file": "[[topology]]\nfile = 7",
    "gone": "[[topology]]\nfile = 'gone.npz'",
    "parameters": "[[topology]]\nfile = 'a.npz'\nn = 4",
    "twice": "[[topology]]\nfamily = 'butterfly'\nn = 4\n" * 2,
}

MANY = 5000 * "1"  # digits, of which Python reads no integer

BAD = [
    ("scores", "No such command 'scores'"),
    ("list --jsn", "No such option"),
    ("score buterfly --n 4", "did you mean butterfly"),
    ("score qqq", "choose from dense, low_rank"),
    ("build buterfly --n 4 -o a.npz", "did you mean butterfly"),
    ("score butterfly", "Missing option '--n'"),
    ("score butterfly --n four", "'four' is not a valid integer"),
    ("score butterfly --n 31", "--n must be a power of two"),
    ("score butterfly --n 4 --depth -1", "--depth must be"),
    ("score butterfly --n 4 --dept 1", "No such option '--dept'. Did you mean --depth? See"),
    ("score butterfly --n 4 --widths 3", "No such option"),
    ("score butterfly --n 4 --skip sideways", "'sideways' is not one of"),
    ("build butterfly --n 4 -o net.gml", "must end in .npz or .json or .graphml."),
    ("design --n-in 4 --n-out 4 --share 1 -o net.mtx", "must end in .npz or .json or .graphml"),
    ("score butterfly --n 4 --seed -1", "seed"),
    (
        "score clos --n-in 4 --n-out 4 --input-routers 3 --middle-routers 1 --output-routers 2",
        "--input-routers must divide --n-in 4, so",
    ),
    ("score torus --shape 8y4 --depth 2", "'8y4' is not of the form 8x4 or 8,4"),
    ("score torus --shape '' --depth 2", "'' is not of the form"),
    ("score radix_net --radices '2,2 x'", "'2,2 x' is not of the form"),
    (
        "score radix_net --radices 2,2 --radices 3,3",
        "--radices is given 2 times; give it once, as '2,2,2 4,2'",
    ),
    ("score radix_net --radices ''", "radices"),
    ("score radix_net --radices '2,2 3'", "radices[1]"),
    ("score erdos_renyi --widths 4,4 --density 2", "density must be a number in (0, 1]"),
    ("score erdos_renyi --widths 4 --density 1", "widths"),
    ("score gone.npz", "gone.npz: No such file"),
    ("score ./gone", "gone: a topology is saved as"),
    ("score text.npz", "text.npz does not hold a topology"),
    ("score text.json", "text.json does not hold a topology"),
    ("score text.graphml", "text.graphml does not hold a topology"),
    ("score text.txt", "text.txt: a topology is saved as .npz, .json, .graphml"),
    ("score pickle.npz", "pickle.npz does not hold a topology"),
    ("score cycle.json", "cycle.json does not hold a topology"),
    ("build butterfly --n 4", "Missing option '-o'"),
    ("build butterfly --n 4 -o a.txt", "must end in .npz or .json or .graphml"),
    ("build butterfly --n 4 -o gone/a.npz", "the folder 'gone' does not exist"),
    ("build net.npz -o a.npz", "no family is called 'net.npz'"),
    ("plot butterfly --n 4 -o a.bmp", "must end in .png or .pdf or .svg"),
    ("plot butterfly --n 4 -o a.png --what all", "'all' is not one of"),
    ("rank gone.npz", "gone.npz: No such file"),
    ("rank gone.toml", "gone.toml: No such file"),
    ("rank text.npz", "text.npz does not hold a topology"),
    ("rank --targets 0", "0 is not in the range x>=1"),
    *(
        (f"rank --budget {b}", f"all be joined, to 2048, two dense layers; given '{b}'")
        for b in ("x", "nan", "1e3")
    ),
    *((f"rank --budget {b}", f"to 2048, two dense layers; given {b}") for b in (0, -1, 63, 2049)),
    *((f"rank --budget {b}", "Invalid value for '--budget': must be") for b in ("x", 63, 2049)),
    ("rank --n 1000000000", "the default set of 625000000000000000 trainable edges"),
    ("rank --n 16 --budget x", "must be an integer from 32, without which 16 inputs"),
    ("rank --n 1", "1 is not in the range x>=2"),
    ("rank net.npz --budget 640", "--n and --budget are of the default set"),
    ("rank net.npz --n 32", "--n and --budget are of the default set"),
    ("rank --max-steps 0", "0 is not in the range x>=1"),
    ("rank --jobs 0", "0 is not in the range x>=1"),
    ("rank --seed -1", "-1 is not in the range x>=0"),
    ("rank net.npz --out text.txt", "text.txt"),
    ("rank net.npz --jobs 1 --store text.txt", "text.txt is no store"),
    ("rank net.npz --jobs 1 --store gone/s", "there is no folder"),
    ("rank net.npz net.npz", "two topologies are called 'net'"),
    ("rank empty.toml", "must hold tables [[topology]]"),
    ("rank broken.toml", "broken.toml is not valid TOML"),
    ("rank other.toml", "must hold tables [[topology]]"),
    ("rank extra.toml", "and nothing else"),
    ("rank neither.toml", "either a family or a file"),
    ("rank both.toml", "either a family or a file"),
    ("rank typo.toml", "topology 1: no family is called 'buterfly': did you mean butterfly"),
    ("rank unknown.toml", "deep"),
    ("rank missing.toml", "'n'"),
    ("rank word.toml", "word.toml, topology 1: "),
    ("rank number.toml", "torus(shape, depth)"),
    ("rank placement.toml", "placement must be one of straight, crossing, random"),
    ("rank diagonal.toml", "diagonal must be true or false; given 'yes'"),
    ("rank seed.toml", "seed must be"),
    ("rank name.toml", "topology 1: name must be text; given 7"),
    ("rank control.toml", r"name must be one line of characters that can be seen; given '\x1b[2J'"),
    ("score unnamed.toml", "topology 1: name must not be empty"),
    ("rank file.toml", "7"),
    ("rank gone-file.toml", "gone.npz: No such file"),
    ("rank parameters.toml", "a file takes no parameters; given n"),
    ("design --n-in 8 --n-out 8", "give either --trainable, a number of edges, or --share"),
    ("design --n-in 8 --n-out 8 --share 0.5 --trainable 32", "give either --trainable"),
    ("design --n-in 8 --share 0.5", "Missing option '--n-out'"),
    ("design --n-in 1 --n-out 8 --share 0.5", "--n-in must be an integer of at least 2; given 1"),
    ("design --n-in 8 --n-out 8 --share 0", "--share must be a number in (0.0, 1.0]; given 0"),
    ("design --n-in 8 --n-out 8 --share 0.1", "--share must be from 0.25, 16 edges, without"),
    ("design --n-in 8 --n-out 8 --trainable 65", "--trainable must be an integer from 16, without"),
    ("design --n-in 8 --n-out 8 --trainable 4x", "'4x' is not a valid integer"),
    ("design --n-in 8 --n-out 8 --share 0.5 --depth 0", "--depth must be"),
    ("design --n-in 8 --n-out 8 --share 0.5 -o a.txt", "must end in .npz or .json or .graphml"),
    ("design --n-in 900 --n-out 900 --share 0.5 --refine 0.1", "refine of a layer of 900 x 900"),
    *(
        (f"{command} {option} {number}", reason)
        for command, option in (
            ("score butterfly", "--n"),
            ("rank", "--seed"),
            ("train", "--epochs"),
            ("design --n-out 8 --share 1", "--n-in"),
            ("challenge", "--depth"),
        )
        for number, reason in (
            (2**63, "must be an integer of at most 9223372036854775807; given"),
            (MANY, f"'{option}': must be an integer of at most"),
            ("٣", "is not a valid integer"),
            ("1_6", "'1_6' is not a valid integer"),
            ("' 16'", "' 16' is not a valid integer"),
        )
    ),
    *(
        (f"{command} --jobs {n}", "for each core of this machine")
        for command in ("rank", "choose")
        for n in (4 * (os.cpu_count() or 1) + 1, 9999999999)
    ),
    ("rank net.npz --targets 99999999999 --jobs 1 --out a/b", "topology 'net': a reconstruction"),
    ("challenge --depth 99999999999", "inference of depth 99999999999 needs 23.3 TiB of memory"),
    ("rank --max-steps 1000000001", "must be an integer of at most 1000000000; given '1000000001'"),
    ("train --batch-size 99999 --out a/b", "--batch-size must be an integer of at most"),
    (f"train --model mlp --hidden {MANY}", "is no list of widths such as 300,100"),
    (f"challenge --leave-out {MANY}", "--leave-out must be numbers such as 11866,49259; given"),
    (f"rank --budget {MANY}", "Invalid value for '--budget': must be an integer from 64"),
    (f"score torus --depth 2 --shape {MANY}", "is not of the form 8x4 or 8,4"),
    ("rank twice.toml", "two topologies are called 'butterfly(n=4)'"),
]


@pytest.fixture
def bad_files():
    """Files of every kind that are not what they say, and one good one."""
    for name in ("text.npz", "text.json", "text.graphml", "text.txt"):
        Path(name).write_text("not a topology")
    np.savez("pickle.npz", widths=np.array([{"not": "an array"}], dtype=object))
    cycle = nx.DiGraph([((0, 0), (1, 0)), ((1, 0), (0, 0))])
    Path("cycle.json").write_text(json.dumps(nx.node_link_data(cycle, edges="edges")))
    for name, text in BAD_LISTS.items():
        Path(f"{name}{'-file' if name == 'gone' else ''}.toml").write_text(text)
    tk.write(tk.topologies.butterfly(4), "net.npz")


@pytest.mark.usefixtures("bad_files")
@pytest.mark.parametrize(("words", "reason"), BAD, ids=[words[:60] for words, _ in BAD])
def test_bad_input_gives_one_clear_line_and_exit_status_2(words, reason):
    before = {*Path().iterdir()}
    result = topokit(words)
    assert result.exit_code == 2
    assert {*Path().iterdir()} == before
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr
    assert len(result.stderr) < 800
    assert not re.search(r"[^.?)] See '", result.stderr)
