from pathlib import Path

import pytest

from infra.joining import JoinError, join


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.js").write_text(text, encoding="utf-8")
    return folder / "page.js"


def test_modules_become_one_in_the_order_in_which_they_need_each_other(tmp_path: Path) -> None:
    joined = join(
        written(
            tmp_path,
            page='import { a, B } from "./one.js";\nimport * as two from "./two.js";\na(two.c, B);\n',
            one='import { connect } from "./onramp.js";\nexport async function a() {}\nexport class B {}\n',
            two='import { a } from "./one.js";\nexport const c = a;\n',
        )
    )
    assert joined.startswith('import { connect } from "./onramp.js";\n')
    assert joined.index("const $one") < joined.index("const $two") < joined.index("const $page")
    assert "const { a, B } = $one;" in joined
    assert "const two = $two;" in joined
    assert "return { a, B };" in joined
    assert "export" not in joined
    assert joined.count("import") == 1


@pytest.mark.parametrize(
    "text",
    [
        "export default function () {}\n",
        "export let changing = 1;\n",
        "export { a };\n",
        'import a from "./one.js";\n',
        'import {\n  a,\n} from "./one.js";\n',
        'import "./one.js";\n',
    ],
)
def test_what_is_not_foreseen_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(JoinError, match=r"^page\.js: (import|export)"):
        join(written(tmp_path, page=text, one="export const a = 1;\n"))


def test_a_ring_is_refused(tmp_path: Path) -> None:
    entry = written(
        tmp_path,
        page='import { a } from "./one.js";\n',
        one='import { b } from "./page.js";\nexport const a = b;\n',
    )
    with pytest.raises(JoinError, match=r"page\.js imports one\.js imports page\.js"):
        join(entry)


def test_what_is_imported_later_or_asked_of_itself_stays(tmp_path: Path) -> None:
    text = "const here = import.meta.url;\nawait_(import(here));\n"
    assert text in join(written(tmp_path, page=text))
