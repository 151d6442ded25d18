"""Functions and tests compile each library once, with the same features."""

import unified_features


def test_functions_and_tests_share_one_set_of_features():
    assert unified_features.differences() == {}, "run: make features"
