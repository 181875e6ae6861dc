// JSON that came over a wire. A test knows what it asked for, and asserts what it reads, field by field.

export type Json = ReturnType<typeof JSON.parse>;
