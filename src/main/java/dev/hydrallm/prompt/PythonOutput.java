package dev.hydrallm.prompt;

import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.expression.ExpressionStrategy;
import com.hubspot.jinjava.mode.ExecutionMode;
import com.hubspot.jinjava.objects.serialization.PyishObjectMapper;
import com.hubspot.jinjava.tree.output.RenderedOutputNode;
import com.hubspot.jinjava.tree.parse.ExpressionToken;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Writes the values of expressions as Python does: {@code True}, not {@code true}; nothing for what is undefined. */
final class PythonOutput implements ExpressionStrategy {
    private static final long serialVersionUID = 1;

    @Override
    public RenderedOutputNode interpretOutput(ExpressionToken token, JinjavaInterpreter interpreter) {
        return new RenderedOutputNode(text(interpreter.resolveELExpression(token.getExpr(), token.getLineNumber())));
    }

    /** Makes a configuration's templates write so. */
    static ExecutionMode mode() {
        return new ExecutionMode() {
            @Override
            public void prepareContext(Context context) {
                context.setExpressionStrategy(new PythonOutput());
            }
        };
    }

    static String text(@Nullable Object value) {
        if (value instanceof Boolean truth) {
            return truth ? "True" : "False";
        }
        return Objects.toString(PyishObjectMapper.getAsUnquotedPyishString(value), "");
    }
}
