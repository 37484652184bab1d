from magus_pyg.language.tokens import ENDS_CLAUSE, clauses, stem, tokens


def test_texts_are_compared_by_their_runs_of_letters_and_digits():
    assert tokens("Lactose-free") == ("lactose", "free")
    assert tokens("Don't, L’Oréal & Co. 50+") == ("dont", "loréal", "co", "50")
    assert tokens("ﬁne STRASSE straße") == ("fine", "strasse", "strasse")
    assert tokens("") == tokens("!?") == ()


def test_signs_that_end_a_clause_are_tokens_of_their_own():
    assert clauses("No milk, please!") == ["no", "milk", ENDS_CLAUSE, "please", ENDS_CLAUSE]
    assert clauses("don't\nworry") == ["dont", ENDS_CLAUSE, "worry"]
    assert clauses("") == []


def test_plurals_and_their_singulars_have_one_stem():
    pairs = [
        "shirt shirts",
        "dress dresses",
        "berry berries",
        "brush brushes",
        "box boxes",
        "lamp lamps",
        "scarf scarves",
        "knife knives",
        "glove gloves",
    ]
    for one, many in (pair.split() for pair in pairs):
        assert stem(one) == stem(many), (one, many)
    assert [stem(word) for word in ("gas", "glass", "cactus", "basis", "tea")] == [
        "gas",
        "glass",
        "cactus",
        "basis",
        "tea",
    ]
