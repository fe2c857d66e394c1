"""Keys: the same job has one key, whatever the order and the spelling; another job has another."""

from hypothesis import given
from hypothesis import strategies as st

from kdbench.jobs.identity import canonical, key_of, without_defaults

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
mappings = st.dictionaries(st.text(min_size=1, max_size=6), values, max_size=5)


@given(mappings)
def test_order_does_not_matter(data):
    assert key_of(dict(reversed(data.items()))) == key_of(data)


@given(mappings, mappings)
def test_different_content_has_a_different_key(a, b):
    assert (canonical(a) == canonical(b)) == (key_of(a) == key_of(b))


@given(mappings, mappings)
def test_written_out_defaults_are_the_same_job(given_values, defaults):
    spelled = {**defaults, **given_values}
    left = without_defaults(spelled, defaults)
    assert {**defaults, **left} == spelled
    assert without_defaults(left, defaults) == left


def test_a_golden_key():
    """A change here makes every stored result unreachable: raise IDENTITY_VERSION and migrate instead."""
    assert key_of({"a": 1, "b": [1.5, None, "ü"]}) == "83e0cdbb3c7619b94509ad6d"
