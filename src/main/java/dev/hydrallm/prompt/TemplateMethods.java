package dev.hydrallm.prompt;

import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import com.hubspot.jinjava.objects.collections.PyList;
import java.beans.FeatureDescriptor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import jinjava.javax.el.CompositeELResolver;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELException;
import jinjava.javax.el.ELResolver;
import org.jspecify.annotations.Nullable;

/**
 * Gives strings in templates Python's methods and keeps Java's from them: {@code repeat} would be a bomb. Has the methods
 * that {@link PythonSyntax} calls for lists and strings, too.
 */
final class TemplateMethods extends ELResolver {
    /** {@code x[start:end:step]} with null for what is left out. */
    static final String STEPPED = "stepped_slice";
    /** {@code 'format' % arguments}. */
    static final String FORMATTED = "percent_formatted";
    /** A list's item, undefined beyond its ends. */
    static final String ITEM = "item_within";

    /** The library hands an index on as text. */
    private static final Pattern INDEX = Pattern.compile("-?\\d{1,9}");

    private static final String WHITESPACE = " \t\n\r\f\u000b";

    private TemplateMethods() {}

    /** The methods of strings, then the library's resolution of everything else. */
    static ELResolver resolver() {
        CompositeELResolver resolver = new CompositeELResolver();
        resolver.add(new TemplateMethods());
        resolver.add(JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY);
        return resolver;
    }

    @Override
    public @Nullable Object invoke(
            ELContext context, Object base, Object method, Class<?>[] types, Object @Nullable [] arguments) {
        List<@Nullable Object> given = arguments == null ? List.of() : Arrays.asList(arguments);
        if (base instanceof String text) {
            context.setPropertyResolved(true);
            return switch (String.valueOf(method)) {
                case STEPPED -> joined(stepped(characters(text), given));
                case FORMATTED -> PercentFormat.format(text, given);
                default ->
                    call(
                            text,
                            String.valueOf(method),
                            given.stream().map(String::valueOf).toList());
            };
        }
        if (base instanceof List<?> list && (method.equals(STEPPED) || method.equals(ITEM))) {
            context.setPropertyResolved(true);
            return method.equals(STEPPED) ? stepped(list, given) : item(list, given);
        }
        return null;
    }

    private static List<String> characters(String text) {
        return text.codePoints().mapToObj(Character::toString).toList();
    }

    private static String joined(List<?> characters) {
        return characters.stream().map(String::valueOf).collect(Collectors.joining());
    }

    /** Python's slice: bounds beyond the ends are the ends, negative ones count from the end. */
    private static PyList stepped(List<?> list, List<@Nullable Object> bounds) {
        if (bounds.size() != 3) {
            throw new ELException("a slice has a start, an end and a step");
        }
        int step = bounds.get(2) == null ? 1 : whole(bounds.get(2));
        if (step == 0) {
            throw new ELException("the step of a template's slice is 0");
        }
        int size = list.size();
        int least = step > 0 ? 0 : -1;
        int most = step > 0 ? size : size - 1;
        int start = bounds.get(0) == null ? (step > 0 ? least : most) : bound(whole(bounds.get(0)), size, least, most);
        int end = bounds.get(1) == null ? (step > 0 ? most : least) : bound(whole(bounds.get(1)), size, least, most);
        List<@Nullable Object> taken = new ArrayList<>();
        for (long at = start; step > 0 ? at < end : at > end; at += step) {
            taken.add(list.get((int) at));
        }
        return new PyList(taken);
    }

    private static int bound(int index, int size, int least, int most) {
        return Math.clamp(index < 0 ? (long) index + size : index, least, most);
    }

    private static @Nullable Object item(List<?> list, List<@Nullable Object> index) {
        int at = index.size() == 1 ? whole(index.getFirst()) : -1;
        return at >= 0 && at < list.size() ? list.get(at) : null;
    }

    private static int whole(@Nullable Object number) {
        if (number instanceof Long || number instanceof Integer) {
            return Math.clamp(((Number) number).longValue(), Integer.MIN_VALUE, Integer.MAX_VALUE);
        }
        throw new ELException("an index in a template is no whole number");
    }

    private static Object call(String text, String method, List<String> arguments) {
        String first = arguments.isEmpty() ? WHITESPACE : arguments.getFirst();
        return switch (method + "/" + arguments.size()) {
            case "strip/0", "strip/1" -> trimEnd(trimStart(text, first), first);
            case "lstrip/0", "lstrip/1" -> trimStart(text, first);
            case "rstrip/0", "rstrip/1" -> trimEnd(text, first);
            case "startswith/1" -> text.startsWith(first);
            case "endswith/1" -> text.endsWith(first);
            case "upper/0" -> text.toUpperCase(Locale.ROOT);
            case "lower/0" -> text.toLowerCase(Locale.ROOT);
            case "title/0" ->
                Pattern.compile("\\p{L}+")
                        .matcher(text.toLowerCase(Locale.ROOT))
                        .replaceAll(word -> capital(word.group()));
            case "capitalize/0" -> capital(text.toLowerCase(Locale.ROOT));
            case "find/1" -> (long) text.indexOf(first);
            case "replace/2" -> replace(text, first, arguments.get(1));
            case "split/0" -> list(text.isBlank() ? new String[0] : text.strip().split("\\s+"));
            case "split/1" -> list(text.split(Pattern.quote(first), -1));
            case "split/2" -> list(text.split(Pattern.quote(first), Integer.parseInt(arguments.get(1)) + 1));
            default ->
                throw new ELException(
                        "strings in templates have no method " + method + " with " + arguments.size() + " arguments");
        };
    }

    private static String replace(String text, String old, String with) {
        // The length is bounded like any other text of a template; this is where it could grow first.
        if ((long) text.length() / Math.max(1, old.length()) * with.length() > 1 << 24) {
            throw new ELException("the text of a template's replace is too long");
        }
        return text.replace(old, with);
    }

    private static PyList list(String[] parts) {
        return new PyList(new java.util.ArrayList<>(List.of(parts)));
    }

    private static String capital(String word) {
        return word.isEmpty() ? word : word.substring(0, 1).toUpperCase(Locale.ROOT) + word.substring(1);
    }

    private static String trimStart(String text, String characters) {
        int start = 0;
        while (start < text.length() && characters.indexOf(text.charAt(start)) >= 0) {
            start++;
        }
        return text.substring(start);
    }

    private static String trimEnd(String text, String characters) {
        int end = text.length();
        while (end > 0 && characters.indexOf(text.charAt(end - 1)) >= 0) {
            end--;
        }
        return text.substring(0, end);
    }

    @Override
    public @Nullable Object getValue(ELContext context, @Nullable Object base, Object property) {
        if (base instanceof String text) {
            // A string has characters but no attributes; asking for one gives nothing, as for any unknown name.
            context.setPropertyResolved(true);
            if (INDEX.matcher(String.valueOf(property)).matches()) {
                List<String> characters = characters(text);
                int at = Integer.parseInt(String.valueOf(property));
                return item(characters, Arrays.asList((long) (at < 0 ? at + characters.size() : at)));
            }
        }
        return null;
    }

    @Override
    public Class<?> getType(ELContext context, @Nullable Object base, Object property) {
        return Object.class;
    }

    @Override
    public void setValue(ELContext context, @Nullable Object base, Object property, @Nullable Object value) {
        // Nothing is resolved here, so the next resolver is asked.
    }

    @Override
    public boolean isReadOnly(ELContext context, @Nullable Object base, Object property) {
        return true;
    }

    @Override
    public Iterator<FeatureDescriptor> getFeatureDescriptors(ELContext context, @Nullable Object base) {
        return Collections.emptyIterator();
    }

    @Override
    public Class<?> getCommonPropertyType(ELContext context, @Nullable Object base) {
        return Object.class;
    }
}
