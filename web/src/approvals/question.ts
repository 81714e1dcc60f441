/** The questions of an agent as a form, and the filled form as an answer. An agent's input is untrusted. Pure. */
import { listOf, fieldsOf, textOf } from "../tools/tool";

export interface Option {
  readonly label: string;
  readonly about: string | undefined;
}

export interface Question {
  /** Its full text; answers are keyed by it. */
  readonly text: string;
  readonly heading: string | undefined;
  readonly options: readonly Option[];
  readonly several: boolean;
}

/** What a person chose and wrote at one question. */
export interface Choice {
  readonly labels: readonly string[];
  readonly own: string;
}

export const NO_CHOICE: Choice = { labels: [], own: "" };

/** The questions; none when the input is not a list of them. */
export function questionsOf(input: unknown): Question[] {
  return listOf(fieldsOf(input), "questions").flatMap((one) => {
    const text = textOf(one, "question");
    if (text === undefined) return [];
    const options = listOf(one, "options").flatMap((option) => {
      const label = textOf(option, "label");
      return label === undefined ? [] : [{ label, about: textOf(option, "description") }];
    });
    return [{ text, heading: textOf(one, "header"), options, several: one["multiSelect"] === true }];
  });
}

/** The choice after a tap on an option: of one question that takes several, it is switched; else it alone is chosen. */
export function tapped(question: Question, choice: Choice, label: string): Choice {
  if (!question.several) return { labels: [label], own: "" };
  const labels = choice.labels.includes(label) ? choice.labels.filter((one) => one !== label) : [...choice.labels, label];
  return { ...choice, labels };
}

/** The choice after own words: of a question that takes one answer, they are it. */
export function written(question: Question, choice: Choice, own: string): Choice {
  return { labels: question.several || own.trim() === "" ? choice.labels : [], own };
}

/** The answers by the full text of their questions; nothing while one is not answered. */
export function answersOf(questions: readonly Question[], choices: readonly Choice[]): Record<string, string> | undefined {
  const answers = questions.map((question, index) => [question.text, said(question, choices[index] ?? NO_CHOICE)] as const);
  return answers.some(([, answer]) => answer === "") ? undefined : Object.fromEntries(answers);
}

function said({ options }: Question, { labels, own }: Choice): string {
  const inOrder = options.map((option) => option.label).filter((label) => labels.includes(label));
  return [...inOrder, own.trim()].filter((part) => part !== "").join(", ");
}
