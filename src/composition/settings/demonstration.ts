// What `npm start` runs without a configuration file: a provider that answers with fixed texts, spoken to in both dialects,
// under prices and budgets with which everything can be tried. Read by settings-file.ts like any other file.

/** A model that the demonstration answers to OpenAI clients. */
export const DEMO_MODEL = 'demo-small';
/** A dearer model, for a call that no budget of the demonstration allows. */
export const DEMO_MODEL_LARGE = 'demo-large';

export const DEMONSTRATION_FILE = `
aliases:
  provider: { demo-anthropic: demo }

budgets:
  - { id: demo-day, match: { tenant: demo }, unit: usd, limit: "10", window: day }
  - { id: demo-user-day, match: { tenant: demo, user: "*" }, unit: usd, limit: "2", window: day }

providers:
  demo: { dialect: openai, baseUrl: demo }
  demo-anthropic: { dialect: anthropic, baseUrl: demo, pricedAs: demo }

routes:
  - model: demo-small
    candidates: [{ provider: demo }, { provider: demo-anthropic }]
  - model: demo-large
    candidates: [{ provider: demo }, { provider: demo-anthropic }]

gateway: { userLabel: user }

prices:
  - { provider: demo, model: demo-small, input: "0.15", cacheRead: "0.075", output: "0.60", contextWindow: 128000, outputTokensMax: 16384 }
  - { provider: demo, model: demo-large, input: "2.50", cacheRead: "1.25", output: "10.00", contextWindow: 128000, outputTokensMax: 16384 }
`;
