import { describe, expect, it } from "vitest";
import { answersOf, NO_CHOICE, questionsOf, tapped, written } from "./question";

const INPUT = {
  questions: [
    { question: "Which colour?", header: "Colour", options: [{ label: "Red", description: "warm" }, { label: "Blue" }], multiSelect: false },
    { question: "Which sizes?", options: [{ label: "S" }, { label: "M" }, { label: "L" }], multiSelect: true },
  ],
};
const [colour, sizes] = questionsOf(INPUT) as [ReturnType<typeof questionsOf>[0], ReturnType<typeof questionsOf>[0]];

describe("questions", () => {
  it("are read from what the agent asks", () => {
    expect([colour.heading, colour.options.map(({ label, about }) => [label, about]), sizes.several]).toEqual(["Colour", [["Red", "warm"], ["Blue", undefined]], true]);
    for (const input of [null, 7, {}, { questions: "no" }, { questions: [7, {}, { question: 1 }] }]) expect(questionsOf(input)).toEqual([]);
  });

  it("take one answer, or several in the order of the options", () => {
    const one = tapped(colour, tapped(colour, NO_CHOICE, "Red"), "Blue");
    const several = ["L", "S", "M", "M"].reduce((choice, label) => tapped(sizes, choice, label), NO_CHOICE);
    expect(answersOf([colour, sizes], [one, several])).toEqual({ "Which colour?": "Blue", "Which sizes?": "S, L" });
  });

  it("take own words, instead of one option or beside several", () => {
    const own = written(colour, tapped(colour, NO_CHOICE, "Red"), " green ");
    const beside = written(sizes, tapped(sizes, NO_CHOICE, "M"), "XXL");
    expect(answersOf([colour, sizes], [own, beside])).toEqual({ "Which colour?": "green", "Which sizes?": "M, XXL" });
    expect(tapped(colour, own, "Red").own).toBe("");
  });

  it("are not answered while one is open", () => {
    expect(answersOf([colour, sizes], [tapped(colour, NO_CHOICE, "Red")])).toBeUndefined();
    expect(answersOf([colour], [written(colour, NO_CHOICE, "  ")])).toBeUndefined();
  });
});
