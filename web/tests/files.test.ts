// @vitest-environment jsdom
import { expect, test } from "vitest";

import { chosen } from "../src/uploads/files";

const file = (name: string) => new File(["x"], name);

test("photographs and archives are taken, other files counted, hidden ones passed over", () => {
  const found = chosen([file("a.JPG"), file("b.heic"), file("set.zip"), file("notes.txt"), file(".DS_Store")]);
  expect(found.files.map(({ name }) => name)).toEqual(["a.JPG", "b.heic", "set.zip"]);
  expect(found.ignored).toBe(1);
});
