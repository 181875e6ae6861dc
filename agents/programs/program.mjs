// What each program is told by the run and how it reports: the text of the answer on one line, or what its user would see
// of an error.

export const origin = process.env.BURSAR_ORIGIN;
export const key = process.env.BURSAR_KEY;
export const model = process.env.BURSAR_MODEL;
export const prompt = 'What does note.txt say?';

export function done(text) {
  console.log(`answer: ${text}`);
}
