// For tests of programs that use Bursar: a journal in memory that outlives its ledger and takes injected faults.

export { MemoryStore, openMemoryJournal, openMemoryReader } from './journal/memory/journal.js';
