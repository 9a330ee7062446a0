// @vitest-environment jsdom
import { expect, test } from "vitest";

import { chosen } from "../src/uploads/files";

const file = (name: string) => new File(["x"], name);

test("photographs, archives and videos are taken, other files counted, hidden ones passed over", () => {
  const found = chosen([file("a.JPG"), file("b.heic"), file("set.zip"), file("walk.MOV"), file("notes.txt"), file(".DS_Store")]);
  expect(found.files.map(({ name }) => name)).toEqual(["a.JPG", "b.heic", "set.zip", "walk.MOV"]);
  expect(found.ignored).toBe(1);
});
