// Types of notes-view.mjs.

import type { Fact } from '#bursar/core/facts.js';
import type { View } from '#bursar/views/view.js';

export const NOTES_VIEW: View;
export const NOTE_LINES: string;
export const TENANT_LINES: string;
export function notePut(id: string, text: string, tenant?: string): Fact;
export function noteDeleted(id: string): Fact;
