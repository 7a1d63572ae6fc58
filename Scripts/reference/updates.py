"""updates.json: momentum steps in extended precision."""

from fractions import Fraction

from clipping import CONVENTIONS, settings_object
from exact import round_to, text
from inputs import recipe
from rules import Clipping, Rule, State, clip

RATES = [0.1, 0.1, 0.02, 0.02, 0.3, 0.3, 0.01, 0.1, 0.1, 0.05]
MOMENTA = [0.9, 0.9, 0.5, 0.5, 0.95, 0.95, 0.9, 0.8, 0.8, 0.9]


def case(name, scalar, shapes, parameters, gradients, rule, rates, momenta, clipping, kept, by_hand=None):
    """parameters and gradients: (recipe, values); one of gradients a step."""
    state = State([Fraction(p) for p in parameters[1]])
    counts = [count(shape) for shape in shapes]
    results = []
    for index, (_, values) in enumerate(gradients):
        tensors = split(values, counts)
        settings = Clipping(**clipping, convention=rule.convention)
        clipped = [g for tensor in clip(tensors, settings).tensors for g in tensor]
        state.step(clipped, rule, rates[index], momenta[index])
        if by_hand:
            assert abs(state.parameters[0] - Fraction(by_hand[index])) < 1e-15, (name, index)
        if index + 1 in kept:
            results.append(
                {
                    "step": index + 1,
                    "parameters": rounded(state.parameters),
                    "parameterSize": text(round_to(max(state.parameter_sizes), "double")),
                    "velocity": rounded(state.velocity) if momenta[index] else None,
                    "velocitySize": text(round_to(max(state.velocity_sizes), "double")),
                }
            )
    return {
        "name": name,
        "source": "hand" if by_hand else "exact",
        "scalar": scalar,
        "convention": rule.convention,
        "dampening": text(rule.dampening),
        "weightDecay": text(rule.weight_decay),
        "decoupledWeightDecay": rule.decoupled,
        "nesterov": rule.nesterov,
        "maximize": rule.maximize,
        "clipping": settings_object(Clipping(**clipping)),
        "shapes": shapes,
        "parameters": parameters[0],
        "steps": [
            {"learningRate": text(rate), "momentum": text(mu), "gradient": spec}
            for rate, mu, (spec, _) in zip(rates, momenta, gradients)
        ],
        "expected": results,
    }


def rounded(values):
    return [text(round_to(value, "double")) for value in values]


def count(shape):
    result = 1
    for extent in shape:
        result *= extent
    return result


def split(values, counts):
    result, start = [], 0
    for length in counts:
        result.append(values[start : start + length])
        start += length
    return result


def hand():
    """p = 1, gradients 1, 2, 3, learning rate 0.1, momentum 0.9, three steps; worked out in decimals."""
    cases = []
    outside = ("native", "pytorch", "optax", "mlx")

    def add(name, conventions, by_hand, rates=(0.1, 0.1, 0.1), **fields):
        for convention in conventions:
            rule = Rule(convention=convention, **fields)
            start = recipe("values", 1, "double", values=["0x1p+0"])
            gradients = [recipe("values", 1, "double", values=[text(float(g))]) for g in (1, 2, 3)]
            cases.append(
                case(name, "double", [[1]], start, gradients, rule, list(rates), [0.9] * 3, {}, (1, 2, 3), by_hand)
            )

    add("momentum", (*outside, "keras"), (0.9, 0.61, 0.049))
    add("dampening, first step undamped", ("pytorch",), (0.9, 0.71, 0.389), dampening=0.5)
    add("dampening", ("native", "mlx"), (0.95, 0.805, 0.5245), dampening=0.5)
    add("nesterov", (*outside, "keras"), (0.81, 0.349, -0.4559), nesterov=True)
    add("learning rate changes", outside, (0.9, 0.871, 0.8149), (0.1, 0.01, 0.01))
    add("learning rate changes", ("keras",), (0.9, 0.79, 0.661), (0.1, 0.01, 0.01))
    add("coupled decay", outside, (0.89, 0.5821, -0.000831), weight_decay=0.1)
    add("decoupled decay", ("native", "keras"), (0.89, 0.5911, 0.024189), weight_decay=0.1, decoupled=True)
    return cases


def options(convention):
    """Name, rule fields and clipping of each variant to run with momentum 0.9."""
    keras = convention == "keras"
    damped = convention in ("native", "pytorch", "mlx")
    decay = dict(weight_decay=0.05, decoupled=keras)
    result = [
        ("nesterov", dict(nesterov=True), {}),
        ("decay", decay, {}),
        ("maximize", dict(maximize=True), {}),
        ("nesterov, decay, maximize", dict(nesterov=True, maximize=True, **decay), {}),
        ("global norm", {}, dict(global_norm=0.5)),
        ("global norm, not reached", {}, dict(global_norm=16.0)),
        ("norm", {}, dict(norm=0.25)),
        ("value", {}, dict(value=(-0.25, 0.375))),
        ("1-norm", {}, dict(global_norm=0.5, norm_type="1")),
        ("nesterov, decay, global norm", dict(nesterov=True, **decay), dict(global_norm=0.5)),
    ]
    if convention == "native":
        result.append(("decoupled decay", dict(weight_decay=0.05, decoupled=True), {}))
        result.append(("decoupled decay, nesterov", dict(weight_decay=0.05, decoupled=True, nesterov=True), {}))
    if damped:
        result.append(("dampening", dict(dampening=0.25), {}))
        result.append(("dampening 1", dict(dampening=1.0), {}))
        result.append(("dampening, decay, norm", dict(dampening=0.25, **decay), dict(norm=0.25)))
    if not keras:
        result.append(("all clips", {}, dict(value=(-0.5, 0.5), norm=0.5, global_norm=0.375)))
        result.append(("all clips, decay", decay, dict(value=(-0.5, 0.5), norm=0.5, global_norm=0.375)))
    return result


def cases():
    result = hand()
    seed = 0x5CD0000
    for scalar in ("float", "double"):
        for convention in CONVENTIONS:
            runs = [("momentum %g" % mu, {}, {}, mu) for mu in (0.0, 0.5, 0.9, 1.0, 1.1)]
            if convention == "keras":
                runs.pop()  # momentum above 1 is an error there
            runs += [(name, fields, clipping, 0.9) for name, fields, clipping in options(convention)]
            runs += [("plain, decay, global norm", dict(weight_decay=0.05, decoupled=convention == "keras"),
                      dict(global_norm=0.5), 0.0)]  # fmt: skip
            for name, fields, clipping, mu in runs:
                seed += 0x100
                rule = Rule(convention=convention, **fields)
                result.append(run(name, scalar, [[3]], rule, clipping, [0.1] * 5, [mu] * 5, seed, (1, 2, 5)))
            for name, fields, clipping in options(convention)[:10:2]:
                seed += 0x100
                rule = Rule(convention=convention, **fields)
                shapes = [[3], [2, 5], [33]]
                result.append(
                    run("schedule, " + name, scalar, shapes, rule, clipping, RATES, MOMENTA, seed, (3, 10))
                )
    return result


def run(name, scalar, shapes, rule, clipping, rates, momenta, seed, kept):
    total = sum(count(shape) for shape in shapes)
    start = recipe("signed", total, scalar, seed=seed)
    gradients = [recipe("signed", total, scalar, seed=seed + 1 + t, exponent=t % 3 - 1) for t in range(len(rates))]
    return case(name, scalar, shapes, start, gradients, rule, rates, momenta, clipping, kept)


ORIGIN = (
    "The equations of each convention on rational numbers, norms cut at 320 bits with a sticky bit, state kept to 512 "
    "bits, expected values rounded once to Double. Cases of source hand were worked out in decimals; the generator "
    "stops if its values differ. parameterSize, velocitySize: the largest element of the same recursion with every term "
    "made positive, the unit of the error bound."
)
