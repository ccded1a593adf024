package dev.hydrallm.training.data;

import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.EnumSet;

/**
 * A file that is one text. A long one comes in pieces, cut before a line break that stands behind a letter or a digit: there
 * byte-level tokenizers have no token across, and see all blanks that belong together.
 */
final class TextReader {
    private static final int DEFAULT_PIECE = 1 << 20;

    private final Path file;
    private final DocumentReader.Sink sink;
    private final char[] buffer;

    TextReader(Path file, DocumentReader.Sink sink) {
        this(file, sink, DEFAULT_PIECE);
    }

    /** @param piece most characters of a piece */
    TextReader(Path file, DocumentReader.Sink sink, int piece) {
        this.file = file;
        this.sink = sink;
        this.buffer = new char[piece];
    }

    void read(InputStream in) throws IOException {
        Reader reader = new InputStreamReader(in, StandardCharsets.UTF_8.newDecoder());
        EnumSet<Document.Edge> edges = EnumSet.of(Document.Edge.BEGIN);
        int held = 0;
        try {
            while (true) {
                int read = fill(reader, held);
                boolean end = read < buffer.length;
                int begin = edges.contains(Document.Edge.BEGIN) && read > 0 && buffer[0] == '\uFEFF' ? 1 : 0;
                int cut = end ? read : cut(read);
                if (end) {
                    edges.add(Document.Edge.END);
                }
                if (end && edges.contains(Document.Edge.BEGIN) && cut == begin) {
                    sink.take(new Entry.Bad(Drop.EMPTY, file.toString()));
                    return;
                }
                sink.take(new Entry.Found(
                        new Document.Text(new String(buffer, begin, cut - begin), EnumSet.copyOf(edges)),
                        file.toString()));
                if (end) {
                    return;
                }
                edges.clear();
                System.arraycopy(buffer, cut, buffer, 0, read - cut);
                held = read - cut;
            }
        } catch (CharacterCodingException e) {
            if (!edges.contains(Document.Edge.BEGIN)) {
                sink.take(new Entry.Found(new Document.Text("", EnumSet.of(Document.Edge.END)), file.toString()));
            }
            sink.take(new Entry.Bad(Drop.NOT_UTF8, file.toString()));
        }
    }

    /** Fills the buffer, of which some characters are there; how many there are then. */
    private int fill(Reader reader, int held) throws IOException {
        int filled = held;
        while (filled < buffer.length) {
            int count = reader.read(buffer, filled, buffer.length - filled);
            if (count < 0) {
                break;
            }
            filled += count;
        }
        return filled;
    }

    /** The last line break behind a letter or a digit; the end if there is none, but not within a character. */
    private int cut(int end) {
        for (int i = end - 1; i > 0; i--) {
            if (buffer[i] == '\n' && Character.isLetterOrDigit(buffer[i - 1])) {
                return i;
            }
        }
        return Character.isHighSurrogate(buffer[end - 1]) ? end - 1 : end;
    }
}
