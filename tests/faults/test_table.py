"""The table of faults says what the tests say."""

import re

from tests.faults.table import DOCUMENT, GROUPS, fault_tests, table


def test_the_table_of_faults_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == table(fault_tests()), "docs/faults.md is not what the tests say; run: make docs"


def test_every_fault_belongs_to_a_group() -> None:
    ids = {one for test in fault_tests() for one in test.ids}
    assert ids
    assert all(re.fullmatch(r"[A-Z]\d\d", one) and one[0] in GROUPS for one in ids)


def test_each_sentence_stands_once_in_its_file() -> None:
    nodes = [test.node for test in fault_tests()]
    assert len(nodes) == len(set(nodes)), "one of them hides the other"
