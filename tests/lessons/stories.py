"""The story of each lesson: {sentence of it: whether the numbers and verdicts that its cells told say so}.

A sentence stands here as it stands in the lesson, or the part of it that a number can contradict.
"""

from told import Reading


def lowest(scores):
    return min(scores, key=scores.get)


def highest(scores):
    return max(scores, key=scores.get)


def apart(lower, higher):
    """Whether the interval of one lies below that of the other."""
    return lower.high < higher.low


def first_run(told):
    ends = {
        axis: {name: told.curve(name, axis)[-1] for name in ("jitter", "no-jitter", "broken")} for axis in ("y", "y2")
    }
    used = told.scores(r"^([\w-]+) +(?:healthy|dim\w+ collapse): (\S+) of")
    shape, color = (told.scores(rf"^{label} +([\w-]+) +(\d.*)$") for label in ("shape", "color"))
    maps = told.scores(r"^([\w-]+) +neighbours kept: (.*)$")
    near = {of: told.scores(rf"^([\w-]+) +over all pictures,.* same {of} (\d+%)") for of in ("shape", "color")}
    others = ("no-jitter", "broken")
    return {
        "The loss that looks finished belongs to an encoder that learnt little.": lowest(ends["y"]) == "broken",
        "whose loss ends highest": highest(ends["y"]) == "jitter",
        "Its neighbours name the shape far less often": ends["y2"]["broken"] < ends["y2"]["jitter"] - 0.15,
        "The loss of `broken` falls to almost the best value": -1 <= ends["y"]["broken"] < -0.95,
        "The line of `broken` falls off a cliff": (
            told.verdicts() == {"jitter": "healthy", "no-jitter": "healthy", "broken": "dimensional collapse"}
            and used["broken"] < min(used["jitter"], used["no-jitter"]) / 3
        ),
        "The two healthy runs look alike here.": abs(used["jitter"] - used["no-jitter"]) < 0.1 * used["jitter"],
        "and the shape was learnt far less": apart(shape["no-jitter"], shape["jitter"]),
        "the colour faded": apart(color["jitter"], color["no-jitter"]),
        "The raw pixels already give it away completely.": color["jitter"].control > 0.99,
        "The null map and chance stand beside it: their maps keep far fewer.": (
            all(one.low > 1.5 * one.control for one in maps.values())
        ),
        "more than half of the neighbours in `jitter` share the shape": near["shape"]["jitter"] > 0.5,
        "In the second and third row the neighbours share the colour, and the shape hardly counts.": (
            all(near["color"][name] > 0.9 and near["shape"][name] < 0.4 for name in others)
        ),
    }


def objectives(told):
    losses = told.table("| method | family | loss", "loss of the untrained encoder")
    better = told.scores(r"^(.*) better than .* by (.*)\.$")
    painted, true, chance = (
        Reading(words) for words in told.groups(r"usual colour.*: (\S+); in its true.*: (\S+); by chance (\S+)")
    )
    agree = told.scores(r"^the orders by shape and by (\w+) agree to (\S+)")
    pairs, apart_by = (int(number) for number in told.groups(r"^of (\d+) pairs .* seeds tell (\d+) apart"))
    return {
        "Nobody has learnt anything, and the losses lie between": max(losses.values()) > 10 + abs(min(losses.values())),
        "`colorization` reads the shape": better["colorization reads shape"].low > 0,
        "`patch_codes` reads the stripes": better["patch_codes reads texture"].low > 0,
        "in the colour that went with its shape in training": painted > 0.9 > 2 * true and true < 2 * chance,
        "A part of the lead is gone": told.score("colorization reads shape better than colorization, fair by").low > 0,
        "next to nothing about that by texture": agree["texture"] < 0.2 < agree["digit"],
        "Less than a third of all pairs can be told apart": apart_by < pairs / 3,
    }


def views(told):
    color, shape = (told.scores(rf"^{factor} at strength (\S+) +(.*)$") for factor in ("color", "shape"))
    hue = told.scores(r"^invariance to hue +in (color \d): (.*)$")
    crops = told.scores(r"^crops of at least +(\d+%):.*; shape (.*)$")
    near = told.table("| neighbours share |", "color 0"), told.table("| neighbours share |", "color 1")
    return {
        "The colour becomes less readable as its knob is turned.": apart(color["1"], color["0"]),
        "The shape does not fade with it": apart(shape["0"], shape["1"]),
        "Turned further, the shape falls again a little.": shape["1"] < shape["0.25"],
        "An encoder with random weights gives the colour away completely.": color["0"].control > 0.99,
        "the encoder became nearly blind to another colour": hue["color 1"].low > 0.9
        and apart(hue["color 0"], hue["color 1"]),
        "four colours times two directions of the stripes": near[0]["color"] > 0.9,
        "With the knob at 1, the colours are mixed": near[1]["color"] < 0.5,
        "The shape is read hardly better than from the untrained encoder.": (
            crops["8%"].low < crops["8%"].control + 0.1 and apart(crops["8%"], crops["60%"])
        ),
    }


def collapse(told):
    runs, views = "| run | loss", "| run | two views"
    loss, least, digit = (
        told.table(runs, of) for of in ("loss at the end", "the least it can be", "neighbours of the same digit")
    )
    before, farther = told.table(runs, "before training"), told.table(views, "how many times farther")
    near, verdicts = told.scores(r"^([\w-]+) +same digit among.*: (\d+%)"), told.verdicts()
    whole, broken = [name for name in loss if "-" not in name], [name for name in loss if "-" in name]
    directions = {name: told.curve(name, figure=-1) for name in broken}
    cheap = {name: name.split("-")[0] for name in broken if name != "simclr-hot"}
    return {
        "VICReg, BYOL and SimSiam all reach a *better* loss, near the least there is.": (
            all(loss[name] < min(loss[of], least[name] + 0.05) for name, of in cheap.items())
        ),
        "And no broken run ends above the encoder before its first step.": all(
            digit[name] <= before[name] for name in broken
        ),
        "VICReg has by far the largest loss, and the best encoder.": highest(loss) == highest(digit) == "vicreg",
        "This is a **[projector-only collapse]": verdicts["byol-no-predictor"] == "projector-only collapse",
        "A whole method can ring too.": (
            [name for name in whole if verdicts[name] != "healthy"] == ["simsiam"]
            and all("collapse" in verdicts[name] for name in broken)
        ),
        "Three broken runs have fallen by the first checkpoint after the start, and they do not come back.": (
            [name for name, used in directions.items() if max(used[1:]) > 0.75 * used[0]] == ["byol-no-predictor"]
        ),
        "Their views agree as well as those of the whole run": lowest(farther) == "simclr",
        "the lowest three belong to broken runs": set(sorted(near, key=near.get)[:3]) <= set(broken),
    }


def geometry(told):
    used, two_nn, twenty = (
        told.table("| space |", of) for of in ("directions in use", "dimensions (TwoNN)", "dimensions of 20 neighbours")
    )
    same = told.scores(r"'(\w+)': '(\d+%)'")
    hubs = told.scores(r"^(\w+) +places to be moved (.*);")
    filled, directions = (
        told.scores(r"^(\w+) .*in use, dimensions: (.*)$"),
        told.scores(r"^(\w+) +(\S+) directions in use"),
    )
    wide = told.table("| | c is", "c is so many times as wide as a")
    far = told.table("| | c is", "c and d are so many times as far apart as a and b")
    others, null, chance = (
        Reading(words) for words in told.groups(r"seed, (.*) of a pic.* null map (.*) are.* by lot (.*)\.")
    )
    return {
        "It has two dimensions, in many directions.": (
            two_nn["bent sheet"].low < 2 < two_nn["bent sheet"].high and used["bent sheet"] > 24
        ),
        "A little noise counts as many dimensions": (
            two_nn["bent sheet, noisy"].low > 5 and twenty["bent sheet, noisy"] < 4
        ),
        "Noise of 64 dimensions reads far below 64.": two_nn["pure noise"].high < 48,
        "And note that the pixels win.": highest(same) == "pixels" and lowest(same) == "untrained",
        "All three spaces spread their neighbours less evenly than noise does.": all(
            one.low > one.control for one in hubs.values()
        ),
        "All three spaces fill about as many dimensions.": (
            max(one.low for one in filled.values()) < min(one.high for one in filled.values())
        ),
        "The directions in use differ far more.": directions["trained"] > 1.5 * directions["pixels"],
        "But it gave them all the same size": wide["in the space"] > 4 and 0.75 < wide["on the map"] < 1.35,
        "and it made up the distances": far["in the space"] > 1.5 * far["on the map"],
        "even a map of *noise* mostly repeats itself": others < null < 0.5 < chance,
    }


def comparison(told):
    copied, debiased = (told.table("| pictures |", of) for of in ("CKA as copied", "CKA of sslviz (debiased)"))
    shape, color, stripes = (told.table("| neighbours |", f"same {of}") for of in ("shape", "colour", "stripes"))
    better = told.scores(r"^(.*) better than .* by (.*)\.$")
    return {
        "The copied formula finds that noise is alike, and more so with fewer pictures.": (
            copied["100"] > 0.5 and copied["100"] > copied["500"] > copied["2,000"]
        ),
        "estimate takes this out": all(abs(one) < 0.05 for one in debiased.values()),
        "Two methods differ only by what they differ beyond that.": (
            apart(told.score("CKA of other views:"), told.score("CKA of another seed:"))
        ),
        "Both encoders sort by the *stripes* of the background.": min(stripes["in jitter"], stripes["in no-jitter"])
        > 0.9,
        "`no-jitter` sorts by colour as well.": color["in no-jitter"] > 0.9,
        "`jitter` has dropped colour": color["in jitter"] < 0.5,
        "there is little of the shape to see": max(shape.values()) < 0.4,
        "a linear readout still finds most of it": better["no-jitter reads color"] < 0.25,
        "The recipe is the same, and still they do not cross zero.": (
            min(better["jitter-2 reads shape"].low, better["jitter reads color"].low) > 0
        ),
    }


def attention(told):
    least, most = (float(times) for times in told.groups(r"weights from (\S+) to (\S+) times"))
    shape, square, disc = (told.table("| last layer |", f"the {of}") for of in ("shape", "square", "disc"))
    trained, untrained = (told.table("| | trained |", of) for of in ("trained", "untrained"))
    moved = [told.table("| how far", way) for way in ("another picture's", "all alike")]
    verdicts = dict(told.all(r"^(last layer|rollout|gradient x attention): (no better than)?"))
    found, there = told.groups(r"stand out in every picture: \[(.*)\]; planted: \[(.*)\]")
    cosine = told.table("| held at", "cosine to the features before")
    away = max(shape, key=lambda name: abs(shape[name] - shape["no preference"]))
    return {
        "an encoder with random weights shares out almost equally": 0.5 < least < 1 < most < 2,
        "The head that differs most leans *away* from the shape.": shape[away] < shape["no preference"],
        "No head looks for the small coloured patches.": (
            all(max(on.values()) < 1.5 * on["no preference"] for on in (square, disc))
        ),
        "this encoder hardly differs from uniform attention": 0.98 < trained["entropy"] < untrained["entropy"],
        "None of the three maps beats its best control": set(verdicts.values()) == {"no better than"},
        "The detector finds what was planted, where it was planted": found == there,
        "a cosine near 1 proves little": cosine["nothing held, but another picture"] > 0.9,
        "the features move only part of the way to another picture": max(way["trained"] for way in moved) < 0.5,
        "The trained encoder depends on its attention more than the untrained one.": (
            all(way["trained"] > way["untrained"] for way in moved)
        ),
    }


def attribution(told):
    on, pretty = (
        told.table("| method |", "on the coloured patches"),
        told.table("| encoder |", "SmoothGrad on the shape"),
    )
    nothing, contrast = on["a map that knows nothing"], told.scores(r"^(\w+): tag .*relevance; (.*)$")
    cascades = dict(told.all(r"^(saliency|input_x_gradient|grad_cam): (.{15})"))
    return {
        "The first two maps lie on the two coloured patches.": min(on["integrated_gradients"], on["occlusion"])
        > 3 * nothing,
        "Saliency is spread over the grey rest as well.": on["saliency"] < 1.5 * nothing,
        "Both maps favour the shape over the rest": (
            min(pretty["biased"], pretty["untrained"]) > pretty["a map that knows nothing"]
        ),
        "and by about as much": abs(pretty["biased"] - pretty["untrained"]) < 0.03,
        "means that part of the map was never about learning": cascades["input_x_gradient"] == "part of the map",
        "For `biased` the interval lies above zero. For `fair` it does not.": contrast["biased"].low
        > 0
        > contrast["fair"].low,
        "it leans on the tag as well": contrast["untrained"].low > 0,
    }


def bias(told):
    careless, careful = (told.score(f"{name}: Cramér's V") for name in ("careless", "careful"))
    honest = told.scores(r"^color, (\w+): read better than nonsense by (.*)$")
    gaps = told.scores(r"^(\w+: of its.*\n.*fitted evenly no gap is found), (.*);")
    worst = [Reading(words) for words in told.all(r"^  worst group (.*)$")]
    usual = told.score("and on pictures coloured as always, the careless readout reads")
    moved, linked = told.scores(r"^(\w+): color (\S+), shape"), told.scores(r"^\| (\w+) \| .*, p = (\S+) \|$")
    share = told.table("| encoder | neighbours", "neighbours share a colour")
    line, near, network = (
        told.scores(rf"^(\w+): .*{of} (\d[^;\n]*)") for of in ("linear", "20 neighbours", "small network")
    )
    color, shape = (told.table("| read linearly", of) for of in ("color", "shape"))
    guarded = [
        [f"{name}, guarded by {part} pictures" for part in ("careful", "careless")] for name in ("biased", "plain")
    ]
    (corrected,) = told.all(r"^the least p, corrected for four questions: (\S+)$")
    return {
        "The careless pictures come near 1.": careless.low > 0.85 and careful.low < careful.control,
        "Both readouts gain far more from the true colours than from nonsense labels.": all(
            one.low > 0.3 for one in honest.values()
        ),
        "`plain` falls like the shortcut oracle. `biased` bends, and holds longer.": (
            told.curve("plain")[-1] < 0.1 < told.curve("biased")[-1] - 0.1
        ),
        "There no gap is found.": len(gaps) == 2 and all(one.low < 0 for one in gaps.values()),
        "They are read almost without error.": usual.low > 0.85,
        "an average over pictures hides them": worst[0] < 0.15 < worst[1],
        "colour weighs far more in `plain`": moved["plain"] > 5 * moved["biased"],
        "all neighbours share their colour": share["untrained"] > 0.95,
        "The least p stands in the row of": min(linked, key=linked.get) == "plain",
        "The linear row lies at chance.": all(abs(one - one.control) < 0.02 for one in line.values()),
        "Neighbours read a lot in `plain` and hardly anything in `biased`.": near["plain"].low
        > 0.5
        > 0.4
        > near["biased"],
        "The network reads the colour in both.": all(one.low > 0.4 for one in network.values()),
        "First, the colour comes back": all(apart(color[one], color[other]) for one, other in guarded),
        "Second, the shape got worse.": all(shape[one] > shape[other] for one, other in guarded),
        "After the correction, nothing is found.": Reading(corrected) > 0.05,
    }


def own_model(told):
    time = told.scores(r"^- (\w+): .*, time (\S+), no better")
    misled, gap = (
        told.table("| model | kind", of) for of in ("where the scanner misleads (95 % bias)", "gap, fitted evenly")
    )
    (gravest,) = told.groups(r"\A(?:.*\n)*?1\. \*\*office\*\*: .*even gap (.*), p")
    at_95 = -2
    return {
        "Both are healthy.": told.verdicts() == {"office": "healthy", "lots": "healthy"},
        "The time of day cannot be read from anything.": all(abs(one - 0.5) < 0.06 for one in time.values()),
        "Where the scanner misleads, its misled readout does no better than a coin.": 0.4 < misled["office"] < 0.6,
        "The model of `lots` stays up": misled["lots"] > 0.95,
        "networks that learnt nothing lie lower still": told.curve("untrained (control)")[at_95]
        < told.curve("office")[at_95],
        "for the `office` it overcorrects": gap["office"] < -0.05 < gap["lots"],
        "The gravest stands first.": Reading(gravest).high < 0,
        "It passes": told.all(r"^(It passes)\.$") == ["It passes"],
    }


def low_labels(told):
    curve = "| labels a class | accuracy"
    draws, images = (told.table(curve, of) for of in ("spread over draws", "spread by the test pictures"))
    own, same = told.all(r"^\| wrong with (?:own|the same) pictures \| (.*) \|$")
    own, same = ([Reading(share) for share in row.split(" | ")] for row in (own, same))
    gains = {
        f"{of} {k}": Reading(words) for of, k, words in told.all(r"^gain over (\w+) at (\d+) labels a class: (.*)$")
    }
    at_60, neighbours = (told.scores(rf"^({of}) .*60% wrong: (\S+)$")[of] for of in ("linear", "neighbours"))
    heaps, covers = (
        told.scores(r"^heaps, (\w+): (\d) of 6"),
        told.all(r"^\d+ labels, coverage: gains (.*); as"),
    )
    adapted = [told.table("| gain over no", of) for of in ("balanced", "85 % one class", "class by class")]
    return {
        "With few labels the draw decides, and the test pictures hardly matter.": draws["1"] > 1.5 * images["1"],
        "With fifty labels a class it is the other way round.": draws["50"] < images["50"],
        "Give both the same labelled pictures.": all(
            one < other for one, other in zip(same[1:4], own[1:4], strict=True)
        ),
        "With five labels a class the network from scratch is far behind": gains["scratch 5"].low > 0.1,
        "the frozen encoder has it, too": gains["frozen 5"] < gains["scratch 5"] / 3,
        "With fifty labels the network from scratch has nearly caught up.": gains["scratch 50"]
        < gains["scratch 5"] / 3,
        "the regression still names most digits": at_60 > 0.7,
        "The vote bears less here": neighbours < at_60,
        "Heaps are found, each with a single label": all(found == 6 for found in heaps.values()),
        "with few labels a cover even loses": Reading(covers[0]).high < 0,
        "hardly more than chance": told.score("lost elsewhere: ") > 0.7,
        "In the balanced stream adaptation wins half of the way back for nothing.": min(adapted[0].values()) > 0.3,
        "loses most of that again": all(
            sorted_[way] < adapted[0][way] / 2 for sorted_ in adapted[1:] for way in adapted[0]
        ),
    }


def cost(told):
    macs, single = told.groups(r"^with (\S+) times fewer MACs: .*, (\S+) with one$")
    gaps = told.scores(r"^(\w+), distilled, reads shape better than alone by (.*)\.$")
    least = told.scores(r"^the teacher reads shape better than (\w+), distilled, by (.*)\.$")
    read, size = (told.table("| precision |", of) for of in ("shape read", "megabytes"))
    beaten = dict(told.all(r"^([\w, ]+): ((?:not )?beaten)"))
    ratio = told.scores(r"(million_macs|latency_ms|megabytes) ([-\d.]+)(?:,|$)")
    color = told.scores(r"^(teacher(?: at 16px)?): color (.*)$")
    spread = told.groups(r"^single passes: (\S+) to (\S+), medians of nine turns: (\S+) to (\S+)$")
    passes = [float(end) for end in spread]
    return {
        "With one picture at a time a quarter of the MACs saves next to nothing.": Reading(single)
        < Reading(macs) / 1.3,
        "Each dot is somebody's benchmark.": passes[1] - passes[0] > passes[3] - passes[2],
        "and far more than they find out alone": min(gap.low for gap in gaps.values()) > 0.05,
        "At a quarter of the MACs the students keep a good part": sum(least.values()) < sum(gaps.values()),
        "and the shape is read as well as before": abs(read["int8"] - read["fp32"]) < 0.05,
        "int8 halves the file": 0.4 * size["fp32"] < size["int8"] < 0.6 * size["fp32"],
        "The students that learnt alone are beaten.": {beaten["16px, alone"], beaten["convnext, alone"]} == {"beaten"},
        "So is the saving that needs no training": beaten["teacher at 16px"] == "beaten",
        "the times lie much closer together than the MACs": ratio["latency_ms"] < ratio["million_macs"] / 1.3,
        "In megabytes the student costs as much as the teacher": abs(ratio["megabytes"] - 1) < 0.02,
        "tell colours better than as they were trained": apart(color["teacher"], color["teacher at 16px"]),
        "grey ticks are higher still": all(one.control > one for one in color.values()),
    }


STORIES = {
    "01": first_run, "02": objectives, "03": views, "04": collapse, "05": geometry, "06": comparison, "07": attention,
    "08": attribution, "09": bias, "10": low_labels, "11": own_model, "12": cost,
}  # fmt: skip
